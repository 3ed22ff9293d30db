// SPDX-License-Identifier: Apache-2.0
// Tells whether a write fits on the mirrors, by what each last said of its room and what was written since.
import type { MemberReport } from "../../agent-api/mirror-schema.ts";
import type { Layout } from "../../agent-api/schema.ts";
import { useOfSecret } from "../quota.ts";
import { RESERVE } from "../storage/write-plan.ts";
import type { Change, ReadResult } from "../store.ts";

/** A mirror's room is known where it has a limit. */
export const isLimited = ({ objectLimit, freeBytes }: MemberReport): boolean =>
  objectLimit !== undefined || freeBytes !== undefined;

/** What a change makes of the secret: sizes by key. Undefined: it does not grow. */
const sizesAfter = (change: Change, before: ReadResult): Map<string, number> | undefined => {
  if (change.type !== "put" && change.type !== "patch") return undefined;
  const kept = change.type === "patch" && before.kind === "found" ? before.data : [];
  const sizes = new Map([...kept].map(([key, value]) => [key, value.length]));
  for (const [key, value] of change.data) {
    if (value === null) sizes.delete(key);
    else sizes.set(key, value.length);
  }
  return sizes;
};

const sizesOf = (before: ReadResult): Map<string, number> =>
  new Map(before.kind === "found" ? [...before.data].map(([key, value]) => [key, value.length]) : []);

/** What is written, and in which layout. */
export type RoomRequest = { readonly change: Change; readonly before: ReadResult; readonly layout: Layout };

/** Why the mirror can't take it; undefined: it can, or that is not known. */
export const roomFault = (
  mirror: MemberReport,
  { change, before, layout }: RoomRequest,
): string | undefined => {
  const sizes = sizesAfter(change, before);
  if (sizes === undefined) return undefined;
  const token = { layout, maxObjectBytes: mirror.maxObjectBytes ?? null };
  const [after, now] = [useOfSecret(sizes, token), useOfSecret(sizesOf(before), token)];
  const { member, objects = 0, objectLimit, freeBytes } = mirror;
  // A packed secret is made anew beside the one that it replaces, with a journal where it takes several objects.
  const made = layout === "packed" ? after.objects : Math.max(1, after.objects - now.objects);
  const needed = made > 1 ? made + 1 : made;
  if (objectLimit !== undefined && objects + needed + RESERVE > objectLimit) {
    return `the mirror ${member} holds ${objects} of ${objectLimit} data objects, and this needs ${needed} more while ${RESERVE} stays free; nothing was changed`;
  }
  const bytes = after.bytes - now.bytes;
  return freeBytes !== undefined && bytes > freeBytes
    ? `the mirror ${member} has ${freeBytes} bytes left, and this needs ${bytes}; nothing was changed`
    : undefined;
};
