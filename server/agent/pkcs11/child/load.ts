// SPDX-License-Identifier: Apache-2.0
// Loads a token: describes it, lists its objects and, where the module caches, reads every value, so that none is read again.
import type { TokenView } from "../answers.ts";
import { isSessionOver } from "../ckr.ts";
import { handleKey, type IndexedObject, LabelIndex } from "./label-index.ts";
import {
  CkrError,
  callModule,
  countAllObjects,
  inSlices,
  listObjects,
  type ReadObject,
  readObject,
} from "./module-calls.ts";
import type { Attached } from "./session.ts";

/** Bytes as a number, or null for the value by which PKCS#11 says "not known" (CK_UNAVAILABLE_INFORMATION). */
const knownBytes = (value: number | bigint): number | null => {
  const bytes = Number(value);
  return Number.isSafeInteger(bytes) && bytes !== 0xffffffff ? bytes : null;
};

/** The part of a view that C_GetTokenInfo tells. */
export const describeToken = ({
  slot,
  quirks,
}: Attached): Pick<TokenView, "cache" | "token" | "freeBytes" | "totalBytes"> => {
  const token = callModule("C_GetTokenInfo", () => slot.getToken());
  const { major, minor } = token.firmwareVersion;
  return {
    cache: quirks.cache,
    token: {
      label: token.label,
      manufacturer: token.manufacturerID,
      model: token.model,
      serial: token.serialNumber,
      firmware: `${major}.${minor}`,
    },
    freeBytes: knownBytes(token.freePrivateMemory),
    totalBytes: knownBytes(token.totalPrivateMemory),
  };
};

/** The values of a caching module's objects, by handleKey, and the objects whose values can't be read. */
type Contents = { values: Map<string, ReadObject>; unread: Map<string, IndexedObject> };

/** What a load has found. `earlier` are the listings before the last, `count` is that of all data objects. */
export type Loaded = {
  index: LabelIndex;
  earlier: readonly LabelIndex[];
  nameless: Buffer[];
  count: number;
  /** Objects of all kinds that the module shows; undefined where it shows all that there are. */
  shown: number | undefined;
  /** Undefined for a module that shows what others write: its objects are read when they are asked for. */
  contents: Contents | undefined;
};

/** How many listings of a live module have to agree on a path. */
const LISTINGS = 2;

/**
 * One listing after another. A module collects the handles while others write: a listing can miss a new object as
 * well as the one that it replaced. A write does that to at most one of two listings. Names are read once: a handle stays its
 * object's, and whoever reads a value looks whether the name is still the one that was listed.
 */
export const loadToken = async (attached: Attached, progress: () => void): Promise<Loaded | "stale"> => {
  const { session, quirks } = attached;
  const indexes: LabelIndex[] = [];
  let nameless: Buffer[] = [];
  // What a caching module shows does not change as long as the process lives.
  for (let listing = 0; listing < (quirks.cache === "live" ? LISTINGS : 1); listing += 1) {
    const before = indexes.at(-1);
    const listed = await listObjects(session, progress, (handle) => before?.get(handle));
    if (listed === "stale") return "stale";
    indexes.push(new LabelIndex(listed.objects));
    nameless = listed.nameless;
  }
  const index = indexes.pop();
  if (index === undefined) return "stale";
  return {
    index,
    earlier: indexes,
    nameless,
    count: index.size + nameless.length,
    shown: quirks.shownObjects === null ? undefined : countAllObjects(session),
    contents: quirks.cache === "live" ? undefined : await readContents(attached, index, progress),
  };
};

/**
 * All values. One that can't be read is asked for again after a new log-in, as another process's may have ended this one's
 * session on the card, which some modules report as a general error; and that shows whether the card is there at all.
 */
const readContents = async (
  attached: Attached,
  index: LabelIndex,
  progress: () => void,
): Promise<Contents> => {
  const contents: Contents = { values: new Map(), unread: new Map() };
  const readAll = (objects: readonly IndexedObject[]): Promise<void> =>
    inSlices(objects, progress, (object) => {
      const read = readTolerantly(attached, object);
      const key = handleKey(object.handle);
      if (read === undefined) {
        contents.unread.set(key, object);
        return;
      }
      contents.unread.delete(key);
      contents.values.set(key, read);
    });
  await readAll(index.objects());
  if (contents.unread.size > 0) {
    await attached.logInAgain();
    await readAll([...contents.unread.values()]);
  }
  return contents;
};

/** The object with its value, or undefined where it alone can't be read. Throws where the session is over. */
const readTolerantly = ({ session }: Attached, object: IndexedObject): ReadObject | undefined => {
  try {
    const read = readObject(session, object);
    return typeof read === "string" ? undefined : read;
  } catch (error) {
    if (!(error instanceof CkrError) || isSessionOver(error.value)) throw error;
    return undefined;
  }
};
