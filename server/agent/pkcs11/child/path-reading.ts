// SPDX-License-Identifier: Apache-2.0
// Reads one path of a loaded token, from the cache or from the token, and detects a write in the middle of it.
import { isPerKey, METADATA_SEGMENT, type TokenObject } from "../../storage/path.ts";
import type { Decoded, ObjectName } from "../../storage/secret.ts";
import { decodeTrusted, type Trusted, trustedOf } from "../../storage/trust.ts";
import { isVague } from "../ckr.ts";
import { handleKey, type IndexedObject } from "./label-index.ts";
import type { Loaded } from "./load.ts";
import { CkrError, findDataObjects, type ReadObject, readObject } from "./module-calls.ts";
import type { Attached } from "./session.ts";

/** How often the objects are read before the token counts as too restless. */
const TRIES = 3;

const isMetadata = ({ application, label }: ObjectName): boolean =>
  isPerKey(application) && label.endsWith(`/${METADATA_SEGMENT}`);

/** Why an object is not read: it is no longer what it was, or the token does not give its value away. */
export type Unread = "stale" | "unreadable";

/** What was read, and the objects whose values the token does not give away. */
type Reading<Name, Read> = { objects: Read[]; unread: Name[] };

/** Whether two readings of the metadata are the same bytes. */
const unchanged = (before: readonly TokenObject[], after: readonly TokenObject[]): boolean =>
  before.length === after.length &&
  before.every((object, index) => {
    const again = after[index];
    return again !== undefined && Buffer.compare(object.value, again.value) === 0;
  });

/**
 * The values of `objects`: metadata, keys, and the metadata once more, from the start when that has moved. `stale` when
 * an object is no longer what it was, or the metadata will not stand still: per-key writers have no transactions.
 */
export const readConsistently = <Name extends ObjectName, Read extends TokenObject>(
  objects: readonly Name[],
  readOne: (object: Name) => Read | Unread,
): Reading<Name, Read> | "stale" => {
  const readAll = (wanted: readonly Name[]): Reading<Name, Read> | "stale" => {
    const reading: Reading<Name, Read> = { objects: [], unread: [] };
    for (const object of wanted) {
      const value = readOne(object);
      if (value === "stale") return value;
      if (value === "unreadable") reading.unread.push(object);
      else reading.objects.push(value);
    }
    return reading;
  };
  const metadata = objects.filter(isMetadata);
  const keys = objects.filter((object) => !isMetadata(object));
  for (let tries = 0; tries < TRIES; tries += 1) {
    const before = readAll(metadata);
    const values = readAll(keys);
    const after = metadata.length === 0 ? before : readAll(metadata);
    if (before === "stale" || values === "stale" || after === "stale") return "stale";
    if (unchanged(before.objects, after.objects)) {
      return {
        objects: [...before.objects, ...values.objects],
        unread: [...before.unread, ...values.unread],
      };
    }
  }
  return "stale";
};

/** A token as it was loaded, and the way to it. */
export type LoadedToken = { attached: Pick<Attached, "session" | "readsPublic">; loaded: Loaded };

/** Whether two listings show the same objects of a path. */
const sameObjects = (some: readonly IndexedObject[], others: readonly IndexedObject[]): boolean =>
  some.length === others.length &&
  some.every(({ handle, label, application }) =>
    others.some(
      (other) => other.handle.equals(handle) && other.label === label && other.application === application,
    ),
  );

/** Whether all listings of a load show the same objects of the path. */
export const listingsAgree = ({ index, earlier }: Pick<Loaded, "index" | "earlier">, path: string): boolean =>
  earlier.every((listing) => sameObjects(listing.objectsOf(path), index.objectsOf(path)));

/** Whether a read fails for the object's own sake: the token can be searched, and another object be read. */
const isOwnFault = ({ attached: { session }, loaded }: LoadedToken, object: IndexedObject): boolean => {
  findDataObjects(session);
  const other = loaded.index.objects().find(({ handle }) => !handle.equals(object.handle));
  return other === undefined || typeof readObject(session, other) === "object";
};

const readOne = (token: LoadedToken, object: IndexedObject): ReadObject | Unread => {
  const { attached, loaded } = token;
  if (loaded.contents !== undefined) {
    return loaded.contents.values.get(handleKey(object.handle)) ?? "unreadable";
  }
  try {
    return readObject(attached.session, object);
  } catch (error) {
    if (!(error instanceof CkrError) || !isVague(error.value) || !isOwnFault(token, object)) throw error;
    return "unreadable";
  }
};

/** The objects of the path that are believed, with their values; `stale` where the load no longer fits the token. */
export const readObjects = (
  token: LoadedToken,
  path: string,
): Trusted<IndexedObject, ReadObject> | "stale" => {
  const { attached, loaded } = token;
  if (!listingsAgree(loaded, path)) return "stale";
  const reading = readConsistently(loaded.index.objectsOf(path), (object) => readOne(token, object));
  return reading === "stale" ? reading : trustedOf(reading, attached.readsPublic);
};

/** What the path holds. */
export const readSecret = (token: LoadedToken, path: string): Decoded | "stale" => {
  const trusted = readObjects(token, path);
  return trusted === "stale" ? trusted : decodeTrusted(path, trusted);
};
