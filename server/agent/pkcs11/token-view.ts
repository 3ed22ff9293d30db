// SPDX-License-Identifier: Apache-2.0
// The child's view of the token: the index and the answers that are given from it.
import type { SecretSummary } from "../../agent-api.ts";
import { type Decoded, decodeSecret } from "../storage/secret.ts";
import type { Secret } from "../store.ts";
import { readConsistently } from "./consistent-read.ts";
import { handleKey, type IndexedObject, indexLabels, type LabelIndex } from "./label-index.ts";
import type { Answer, TokenView } from "./messages.ts";
import { callModule } from "./module-call.ts";
import { type Attached, StartFault } from "./token-attach.ts";
import { findDataObjects, inSlices, listObjects, objectName, readObject, SLICE_MS } from "./token-objects.ts";
import { createTokenWriter, type TokenWriter } from "./token-writer.ts";

/** `read` may be called at any time, the others one after another. */
export type View = {
  read(path: string): Answer;
  list(prefix: string): Promise<Answer>;
  refresh(): Promise<Answer>;
  readonly writer: TokenWriter;
  /** What the last load saw of the token. */
  readonly token: TokenView;
};

/** What a list tells of a secret: never a value. */
const summaryOf = (path: string, { checksum, version, data, layout }: Secret): SecretSummary => {
  const bytes = [...data.values()].reduce((sum, value) => sum + value.length, 0);
  return { path, checksum, keys: [...data.keys()].sort(), bytes, version, layout };
};

/** Bytes as a number, or null for the value by which PKCS#11 says "not known" (CK_UNAVAILABLE_INFORMATION). */
const knownBytes = (value: number | bigint): number | null => {
  const bytes = Number(value);
  return Number.isSafeInteger(bytes) && bytes !== 0xffffffff ? bytes : null;
};

/** A write that begins so soon after the last one takes the token for what that one saw of it, in milliseconds. */
const AT_ONCE_MS = 5;

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

/** What a load has found. `earlier` are the listings before the last, `count` is that of all data objects. */
type Loaded = { index: LabelIndex; earlier: readonly LabelIndex[]; nameless: Buffer[]; count: number };

const restlessAtStart = (): StartFault =>
  new StartFault("TOKEN_UNAVAILABLE", "the token kept changing while it was listed");

/** The view of `attached`, loaded. `progress` is told whenever a part of a longer piece of work is behind it. */
export const openView = async (attached: Attached, progress: () => void): Promise<View> => {
  const { session, slot, cache } = attached;

  const describe = ({ index, count }: Loaded): TokenView => {
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
      objects: count,
      unsettled: index.unsettled().length,
    };
  };

  /**
   * One listing after another. A module collects the handles while others write: a listing can miss a new object as
   * well as the one that it replaced. A write does that to at most one of two listings.
   */
  const load = async (): Promise<Loaded | "stale"> => {
    const indexes: LabelIndex[] = [];
    let nameless: Buffer[] = [];
    let count = 0;
    // What a caching module shows does not change as long as the process lives.
    for (let listing = 0; listing < (cache === "live" ? LISTINGS : 1); listing += 1) {
      const listed = await listObjects(session, progress);
      if (listed === "stale") return "stale";
      indexes.push(indexLabels(listed.objects));
      nameless = listed.nameless;
      count = listed.objects.length + nameless.length;
    }
    const index = indexes.pop();
    return index === undefined ? "stale" : { index, earlier: indexes, nameless, count };
  };

  const first = await load();
  if (first === "stale") throw restlessAtStart();
  let loaded = first;
  let token = describe(loaded);

  /** Whether the listings show the same objects of a path. */
  const agree = (path: string): boolean =>
    loaded.earlier.every((listing) => sameObjects(listing.objectsOf(path), loaded.index.objectsOf(path)));

  const readSecret = (path: string): Decoded | "stale" => {
    if (!agree(path)) return "stale";
    const named = loaded.index.objectsOf(path);
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
    const { data, ...rest } = decoded;
    return { ...rest, keys: [...data] };
  };

  const list = async (prefix: string): Promise<Answer> => {
    const secrets: SecretSummary[] = [];
    const invalid: string[] = [];
    let stale = false;
    const paths = new Set([loaded.index, ...loaded.earlier].flatMap((listing) => listing.paths(prefix)));
    await inSlices([...paths].sort(), progress, (path) => {
      const decoded = stale ? "stale" : readSecret(path);
      if (decoded === "stale") stale = true;
      else if (decoded.kind === "found") secrets.push(summaryOf(path, decoded));
      else if (decoded.kind === "invalid") invalid.push(path);
    });
    return stale ? { kind: "stale" } : { kind: "listed", secrets, invalid };
  };

  const refresh = async (): Promise<Answer> => {
    const next = await load();
    if (next === "stale") return { kind: "stale" };
    token = describe(next);
    loaded = next;
    return { kind: "refreshed", view: token };
  };

  /** When the index was last compared with all that the token shows. */
  let comparedAt = Number.NEGATIVE_INFINITY;

  /**
   * Takes in what other processes have made and removed, from all handles that the token shows now. The earlier listings
   * are left as they are, so that a read of a path that has changed asks for listings that agree.
   */
  const compareWith = async (handles: readonly Buffer[]): Promise<void> => {
    const { index } = loaded;
    const shown = new Set(handles.map(handleKey));
    for (const handle of index.handles()) if (!shown.has(handleKey(handle))) index.remove(handle);
    const known = new Set(loaded.nameless.map(handleKey));
    const unknown = handles.filter((handle) => !index.has(handle) && !known.has(handleKey(handle)));
    await inSlices(unknown, progress, (handle) => {
      const object = objectName(session, handle);
      if (object === "nameless") loaded.nameless.push(handle);
      else if (object !== "stale") index.add(object);
    });
    loaded.count = handles.length;
    comparedAt = performance.now();
  };

  /** Before a write, at the cost of one C_FindObjects, which a write that follows at once on another spares itself. */
  const catchUp = async (path: string): Promise<void> => {
    if (cache === "live" && performance.now() - comparedAt > AT_ONCE_MS) {
      await compareWith(findDataObjects(session));
    }
    if (!agree(path)) await refresh();
  };

  let workedSince = performance.now();
  const writer = createTokenWriter({
    session,
    catchUp: (path) => {
      workedSince = performance.now();
      return catchUp(path);
    },
    objectsOf: (path) =>
      agree(path)
        ? readConsistently(loaded.index.objectsOf(path), (object) => readObject(session, object))
        : "stale",
    unsettled: () => loaded.index.unsettled(),
    count: () => loaded.count,
    seen: (handles) => (cache === "live" ? compareWith(handles) : Promise.resolve()),
    made: (object) => {
      for (const listing of [loaded.index, ...loaded.earlier]) listing.add(object);
      loaded.count += 1;
    },
    removed: (handle) => {
      if (loaded.index.has(handle)) loaded.count -= 1;
      for (const listing of [loaded.index, ...loaded.earlier]) listing.remove(handle);
    },
    pace: async () => {
      if (performance.now() - workedSince < SLICE_MS) return;
      progress();
      await new Promise((resolve) => setImmediate(resolve));
      workedSince = performance.now();
    },
  });

  return {
    read,
    list,
    refresh,
    writer,
    get token() {
      return { ...token, objects: loaded.count };
    },
  };
};
