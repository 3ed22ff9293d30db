// SPDX-License-Identifier: Apache-2.0
// The child's view of the token: the index and the answers that are given from it.
import type { SecretSummary } from "../../agent-api.ts";
import { type Decoded, decodeSecret } from "../storage/secret.ts";
import type { Secret } from "../store.ts";
import { readConsistently } from "./consistent-read.ts";
import { indexLabels, type LabelIndex } from "./label-index.ts";
import type { Answer, TokenView } from "./messages.ts";
import { callModule } from "./module-call.ts";
import type { Attached } from "./token-attach.ts";
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

  let index: LabelIndex = indexLabels(await listObjects(session, progress));
  let token = describe(index.size);

  const readSecret = (path: string): Decoded | "stale" => {
    const objects = readConsistently(index.objectsOf(path), (object) => readObject(session, object));
    return objects === "stale" ? "stale" : decodeSecret(path, objects);
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
    await inSlices(index.paths(prefix), progress, (path) => {
      const decoded = stale ? "stale" : readSecret(path);
      if (decoded === "stale") stale = true;
      else if (decoded.kind === "found") secrets.push(summaryOf(path, decoded));
    });
    return stale ? { kind: "stale" } : { kind: "listed", secrets };
  };

  const refresh = async (): Promise<Answer> => {
    const next = indexLabels(await listObjects(session, progress));
    token = describe(next.size);
    index = next;
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
