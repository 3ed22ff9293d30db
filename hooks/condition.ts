// SPDX-License-Identifier: Apache-2.0
// Builds a condition of a status and keeps its lastTransitionTime while the condition's status stays the same.
import type { Condition } from "./kubernetes.ts";

/** A condition as a hook found it. */
export type FoundCondition = Pick<Condition, "type" | "status" | "reason" | "message">;

/** The condition of `type`, if there is one. */
export const conditionOf = (
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | undefined => conditions?.find((condition) => condition.type === type);

/** `found` with its transition time, which moves to `now` (RFC 3339) only when the status of its type is another. */
export const nextCondition = (
  before: readonly Condition[] | undefined,
  now: string,
  found: FoundCondition,
): Condition => {
  const last = conditionOf(before, found.type);
  return { ...found, lastTransitionTime: last?.status === found.status ? last.lastTransitionTime : now };
};
