// SPDX-License-Identifier: Apache-2.0
// Reads one path of a loaded token: from the cache, or from the token where its module shows changes by itself.
import type { Decoded } from "../../storage/secret.ts";
import { decodeTrusted, type Trusted, trustedOf } from "../../storage/trust.ts";
import { isVague } from "../ckr.ts";
import { readConsistently, type Unread } from "./consistent-read.ts";
import { handleKey, type IndexedObject } from "./label-index.ts";
import type { Loaded } from "./load.ts";
import { CkrError } from "./module-call.ts";
import { findDataObjects, type ReadObject, readObject } from "./objects.ts";
import type { Attached } from "./session.ts";

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
