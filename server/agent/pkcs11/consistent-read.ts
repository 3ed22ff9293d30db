// SPDX-License-Identifier: Apache-2.0
// Reading all objects of one secret so that a write in the middle of it is noticed: per-key writers have no transactions.
import { isPerKey, METADATA_SEGMENT, type TokenObject } from "../storage/path.ts";
import type { ObjectName } from "../storage/secret.ts";

/** How often the objects are read before the token counts as too restless. */
const TRIES = 3;

const isMetadata = ({ application, label }: ObjectName): boolean =>
  isPerKey(application) && label.endsWith(`/${METADATA_SEGMENT}`);

/** Why an object is not read: it is no longer what it was, or the token does not give its value away. */
export type Unread = "stale" | "unreadable";

/** Whether two readings of the metadata are the same bytes. */
const unchanged = (before: readonly TokenObject[], after: readonly TokenObject[]): boolean =>
  before.length === after.length &&
  before.every((object, index) => {
    const again = after[index];
    return again !== undefined && Buffer.compare(object.value, again.value) === 0;
  });

/**
 * The values of `objects`: metadata, keys, and the metadata once more, from the start when that has moved. `stale` when
 * an object is no longer what it was, or the metadata will not stand still; `unreadable` when one can't be read.
 */
export const readConsistently = <Name extends ObjectName, Read extends TokenObject>(
  objects: readonly Name[],
  readOne: (object: Name) => Read | Unread,
): Read[] | Unread => {
  const readAll = (wanted: readonly Name[]): Read[] | Unread => {
    const values: Read[] = [];
    for (const object of wanted) {
      const value = readOne(object);
      if (value === "stale" || value === "unreadable") return value;
      values.push(value);
    }
    return values;
  };
  const metadata = objects.filter(isMetadata);
  const keys = objects.filter((object) => !isMetadata(object));
  for (let tries = 0; tries < TRIES; tries += 1) {
    const before = readAll(metadata);
    const values = readAll(keys);
    const after = metadata.length === 0 ? before : readAll(metadata);
    if (typeof before === "string") return before;
    if (typeof values === "string") return values;
    if (typeof after === "string") return after;
    if (unchanged(before, after)) return [...before, ...values];
  }
  return "stale";
};
