// SPDX-License-Identifier: Apache-2.0
// Reads all objects of one secret, and detects a write in the middle of it: per-key writers have no transactions.
import { isPerKey, METADATA_SEGMENT, type TokenObject } from "../../storage/path.ts";
import type { ObjectName } from "../../storage/secret.ts";

/** How often the objects are read before the token counts as too restless. */
const TRIES = 3;

const isMetadata = ({ application, label }: ObjectName): boolean =>
  isPerKey(application) && label.endsWith(`/${METADATA_SEGMENT}`);

/** Why an object is not read: it is no longer what it was, or the token does not give its value away. */
export type Unread = "stale" | "unreadable";

/** What was read, and the objects whose values the token does not give away. */
export type Reading<Name, Read> = { objects: Read[]; unread: Name[] };

/** Whether two readings of the metadata are the same bytes. */
const unchanged = (before: readonly TokenObject[], after: readonly TokenObject[]): boolean =>
  before.length === after.length &&
  before.every((object, index) => {
    const again = after[index];
    return again !== undefined && Buffer.compare(object.value, again.value) === 0;
  });

/**
 * The values of `objects`: metadata, keys, and the metadata once more, from the start when that has moved. `stale` when
 * an object is no longer what it was, or the metadata will not stand still.
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
