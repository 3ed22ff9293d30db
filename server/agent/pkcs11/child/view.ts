// SPDX-License-Identifier: Apache-2.0
// The child's view of the token: what the last load found, kept true by its own writes, and the answers given from it.
import type { SecretSummary } from "../../../agent-api/schema.ts";
import { withoutLeftovers } from "../../storage/leftovers.ts";
import { countUnread, type Decoded, pathsOf } from "../../storage/secret.ts";
import { decodeTrusted, type Trusted, trustedOf } from "../../storage/trust.ts";
import type { Answer, Entry, TokenView } from "../answers.ts";
import { isVague } from "../ckr.ts";
import { problemsAmong } from "../object-problems.ts";
import { summaryOf } from "../secret-summary.ts";
import { readConsistently } from "./consistent-read.ts";
import { describeToken } from "./description.ts";
import { handleKey, type IndexedObject } from "./label-index.ts";
import { type Loaded, loadToken } from "./load.ts";
import { CkrError } from "./module-call.ts";
import { findDataObjects, inSlices, objectName, type ReadObject, readObject, SLICE_MS } from "./objects.ts";
import type { Attached } from "./session.ts";
import { StartFault } from "./start-fault.ts";
import { TokenWriter } from "./writer.ts";

/** `read` may be called at any time, the others one after another. */
export type View = {
  read(path: string): Answer;
  list(prefix: string): Promise<Answer>;
  refresh(): Promise<Answer>;
  readonly writer: TokenWriter;
  /** What the last load saw of the token. */
  readonly token: TokenView;
  /** What a caching module shows: all of it, or what has changed since this was last asked for. Empty for others. */
  entries(): Entry[];
  changedEntries(): Entry[];
};

/** A write that begins so soon after the last one takes the token for what that one saw of it, in milliseconds. */
const AT_ONCE_MS = 5;

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

/** A secret as an answer carries it. */
const answerOf = (decoded: Decoded): Entry["content"] => {
  if (decoded.kind !== "found") return decoded;
  const { data, ...rest } = decoded;
  return { ...rest, keys: [...data] };
};

/** The view of `attached`, loaded. `progress` is told whenever a part of a longer piece of work is behind it. */
export const openView = async (attached: Attached, progress: () => void): Promise<View> => {
  const { session, ways } = attached;
  const isLive = ways.cache === "live";

  const first = await loadToken(attached, progress);
  if (first === "stale") throw restlessAtStart();
  let loaded: Loaded = first;
  let token = describeToken(attached);
  /** Paths that a write has changed since they were last told. */
  const touched = new Set<string>();

  /** Whether the listings show the same objects of a path. */
  const agree = (path: string): boolean =>
    loaded.earlier.every((listing) => sameObjects(listing.objectsOf(path), loaded.index.objectsOf(path)));

  /** Whether a read fails for the object's own sake: the token can be searched, and another object be read. */
  const isOwnFault = (object: IndexedObject): boolean => {
    findDataObjects(session);
    const other = loaded.index.objects().find(({ handle }) => !handle.equals(object.handle));
    return other === undefined || typeof readObject(session, other) === "object";
  };

  const readOne = (object: IndexedObject): ReadObject | "stale" | "unreadable" => {
    if (loaded.contents !== undefined) {
      return loaded.contents.values.get(handleKey(object.handle)) ?? "unreadable";
    }
    try {
      return readObject(session, object);
    } catch (error) {
      if (!(error instanceof CkrError) || !isVague(error.value) || !isOwnFault(object)) throw error;
      return "unreadable";
    }
  };

  const objectsOf = (path: string): Trusted<IndexedObject, ReadObject> | "stale" => {
    const reading = agree(path) ? readConsistently(loaded.index.objectsOf(path), readOne) : "stale";
    return reading === "stale" ? reading : trustedOf(reading, attached.readsPublic);
  };

  const readSecret = (path: string): Decoded | "stale" => {
    const trusted = objectsOf(path);
    return trusted === "stale" ? trusted : decodeTrusted(path, trusted);
  };

  /** A public one is not mended: it counts for nothing, or its module can't do better. */
  const damaged = (): IndexedObject[] =>
    loaded.index.objects().filter((object) => object.damaged === true && object.isPublic !== true);

  const read = (path: string): Answer => {
    const decoded = readSecret(path);
    return decoded === "stale" ? { kind: "stale" } : answerOf(decoded);
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

  /** Paths at which a write that was cut has left something; by their names alone where the values are not at hand. */
  const unsettled = (): string[] => {
    if (loaded.contents === undefined) return loaded.index.unsettled();
    return loaded.index.allPaths().filter((path) => {
      const reading = objectsOf(path);
      if (reading === "stale") return false;
      const settled = withoutLeftovers(path, reading.objects, countUnread(reading.unread));
      return settled.kind === "settled" && settled.surplus.length > 0;
    });
  };

  const describe = (): TokenView => ({
    ...token,
    objects: loaded.count,
    damagedNames: damaged().length,
    ...problemsAmong(loaded.index.objects()),
    unreadableObjects: loaded.contents?.unread.size ?? 0,
    shown:
      loaded.shown === undefined || ways.shownObjects === null
        ? null
        : { objects: loaded.shown, limit: ways.shownObjects },
    unsettled: unsettled().length,
  });

  const refresh = async (): Promise<Answer> => {
    const next = await loadToken(attached, progress);
    if (next === "stale") return { kind: "stale" };
    token = describeToken(attached);
    loaded = next;
    return { kind: "refreshed", view: describe() };
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
    if (isLive && performance.now() - comparedAt > AT_ONCE_MS) await compareWith(findDataObjects(session));
    if (!agree(path)) await refresh();
  };

  const touch = (object: IndexedObject): void => {
    for (const path of pathsOf(object)) touched.add(path);
  };

  const made = (object: ReadObject): void => {
    for (const listing of [loaded.index, ...loaded.earlier]) listing.add(object);
    loaded.contents?.values.set(handleKey(object.handle), object);
    loaded.count += 1;
    if (loaded.shown !== undefined) loaded.shown += 1;
    touch(object);
  };

  const removed = (object: IndexedObject): void => {
    if (loaded.index.has(object.handle)) {
      loaded.count -= 1;
      if (loaded.shown !== undefined) loaded.shown -= 1;
    }
    for (const listing of [loaded.index, ...loaded.earlier]) listing.remove(object.handle);
    loaded.contents?.values.delete(handleKey(object.handle));
    loaded.contents?.unread.delete(handleKey(object.handle));
    touch(object);
  };

  let workedSince = performance.now();
  const writer = new TokenWriter({
    session,
    ways,
    logInAgain: attached.logInAgain,
    catchUp: (path) => {
      workedSince = performance.now();
      return catchUp(path);
    },
    objectsOf,
    unsettled,
    unreadable: () => [...(loaded.contents?.unread.values() ?? [])],
    damaged,
    count: () => loaded.count,
    seen: (handles) => (isLive ? compareWith(handles) : Promise.resolve()),
    made,
    removed,
    notRemoved: (object) => {
      loaded.contents?.values.delete(handleKey(object.handle));
      loaded.contents?.unread.set(handleKey(object.handle), object);
      touch(object);
    },
    pace: async () => {
      if (performance.now() - workedSince < SLICE_MS) return;
      progress();
      await new Promise((resolve) => setImmediate(resolve));
      workedSince = performance.now();
    },
  });

  const entryOf = (path: string): Entry => {
    const decoded = readSecret(path);
    const content =
      decoded === "stale" ? ({ kind: "invalid", message: `${path}: not read` } as const) : answerOf(decoded);
    return { path, listed: loaded.index.isListed(path), content };
  };

  return {
    read,
    list,
    refresh,
    writer,
    get token() {
      return describe();
    },
    entries: () => (loaded.contents === undefined ? [] : loaded.index.allPaths().map(entryOf)),
    changedEntries: () => {
      const paths = loaded.contents === undefined ? [] : [...touched];
      touched.clear();
      return paths.map(entryOf);
    },
  };
};
