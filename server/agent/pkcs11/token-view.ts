// SPDX-License-Identifier: Apache-2.0
// The child's view of the token: the index and the answers that are given from it.
import type { SecretSummary } from "../../agent-api.ts";
import { type Decoded, decodeSecret } from "../storage/secret.ts";
import type { Secret } from "../store.ts";
import { readConsistently } from "./consistent-read.ts";
import { type IndexedObject, indexLabels, type LabelIndex } from "./label-index.ts";
import type { Answer, TokenView } from "./messages.ts";
import { callModule } from "./module-call.ts";
import { type Attached, StartFault } from "./token-attach.ts";
import { inSlices, listObjects, readObject } from "./token-objects.ts";

export type View = {
  read(path: string): Answer;
  list(prefix: string): Promise<Answer>;
  refresh(): Promise<Answer>;
  /** What the last load saw of the token. */
  readonly token: TokenView;
};

/** What a list tells of a secret: never a value. */
const summaryOf = (path: string, { checksum, version, data }: Secret): SecretSummary => {
  const bytes = [...data.values()].reduce((sum, value) => sum + value.length, 0);
  return { path, checksum, keys: [...data.keys()].sort(), bytes, version };
};

/** Bytes as a number, or null for the value by which PKCS#11 says "not known" (CK_UNAVAILABLE_INFORMATION). */
const knownBytes = (value: number | bigint): number | null => {
  const bytes = Number(value);
  return Number.isSafeInteger(bytes) && bytes !== 0xffffffff ? bytes : null;
};

/** How many listings of a live module have to agree on a path. */
const LISTINGS = 2;

/** Whether two listings show the same objects of a path. */
const sameObjects = (some: readonly IndexedObject[], others: readonly IndexedObject[]): boolean =>
  some.length === others.length &&
  some.every(({ handle, label, application }) =>
    others.some(
      (other) => other.handle.equals(handle) && other.label === label && other.application === application,
    ),
  );

const restlessAtStart = (): StartFault =>
  new StartFault("TOKEN_UNAVAILABLE", "the token kept changing while it was listed");

/** The view of `attached`, loaded. `progress` is told whenever a part of a longer piece of work is behind it. */
export const openView = async (attached: Attached, progress: () => void): Promise<View> => {
  const { session, slot, cache } = attached;

  const describe = (objects: number): TokenView => {
    const token = callModule("C_GetTokenInfo", () => slot.getToken());
    const { major, minor } = token.firmwareVersion;
    return {
      cache,
      token: {
        label: token.label,
        manufacturer: token.manufacturerID,
        model: token.model,
        serial: token.serialNumber,
        firmware: `${major}.${minor}`,
      },
      freeBytes: knownBytes(token.freePrivateMemory),
      totalBytes: knownBytes(token.totalPrivateMemory),
      objects,
    };
  };

  /**
   * One listing after another. A module collects the handles while others write: a listing can miss a new object as
   * well as the one that it replaced. A write does that to at most one of two listings.
   */
  const load = async (): Promise<{ index: LabelIndex; earlier: readonly LabelIndex[] } | "stale"> => {
    const indexes: LabelIndex[] = [];
    // What a caching module shows does not change as long as the process lives.
    for (let listing = 0; listing < (cache === "live" ? LISTINGS : 1); listing += 1) {
      const objects = await listObjects(session, progress);
      if (objects === "stale") return "stale";
      indexes.push(indexLabels(objects));
    }
    const index = indexes.pop();
    return index === undefined ? "stale" : { index, earlier: indexes };
  };

  const first = await load();
  if (first === "stale") throw restlessAtStart();
  let { index, earlier } = first;
  let token = describe(index.size);

  const readSecret = (path: string): Decoded | "stale" => {
    const named = index.objectsOf(path);
    if (!earlier.every((listing) => sameObjects(listing.objectsOf(path), named))) return "stale";
    const objects = readConsistently(named, (object) => readObject(session, object));
    if (objects === "stale") return "stale";
    if (objects === "unreadable") {
      return { kind: "invalid", message: `${path}: the token does not let an object's value be read` };
    }
    return decodeSecret(path, objects);
  };

  const read = (path: string): Answer => {
    const decoded = readSecret(path);
    if (decoded === "stale") return { kind: "stale" };
    if (decoded.kind !== "found") return decoded;
    const { data, checksum, version } = decoded;
    return { kind: "found", keys: [...data], checksum, version };
  };

  const list = async (prefix: string): Promise<Answer> => {
    const secrets: SecretSummary[] = [];
    let stale = false;
    const paths = new Set([index, ...earlier].flatMap((listing) => listing.paths(prefix)));
    await inSlices([...paths].sort(), progress, (path) => {
      const decoded = stale ? "stale" : readSecret(path);
      if (decoded === "stale") stale = true;
      else if (decoded.kind === "found") secrets.push(summaryOf(path, decoded));
    });
    return stale ? { kind: "stale" } : { kind: "listed", secrets };
  };

  const refresh = async (): Promise<Answer> => {
    const next = await load();
    if (next === "stale") return { kind: "stale" };
    token = describe(next.index.size);
    ({ index, earlier } = next);
    return { kind: "refreshed", view: token };
  };

  return {
    read,
    list,
    refresh,
    get token() {
      return token;
    },
  };
};
