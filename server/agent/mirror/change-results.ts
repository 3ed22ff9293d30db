// SPDX-License-Identifier: Apache-2.0
// Tells what the results of changes to a member's token mean for its set.
import type { ChangeResult, Precondition, Unavailable } from "../store.ts";

/** Whether the token holds what was wanted. */
export const isDone = (
  result: ChangeResult,
): result is Extract<ChangeResult, { kind: "written" | "deleted" }> =>
  result.kind === "written" || result.kind === "deleted";

/** Whether what was to be removed is not there any more: nothing, or another secret. */
export const isGone = ({ kind }: ChangeResult): boolean =>
  kind === "deleted" || kind === "absent" || kind === "precondition";

export const isUnconditional = ({ ifMatch, ifNoneMatch }: Precondition): boolean =>
  ifMatch === undefined && ifNoneMatch === undefined;

export const isFull = (result: ChangeResult): boolean =>
  result.kind === "refused" && result.code === "TOKEN_FULL";

/** What the token holds at the path can't be understood. */
export const isUnclear = (result: ChangeResult | Unavailable): boolean =>
  result.kind === "unavailable" && (result.code === "STORAGE_INVALID" || result.code === "LABEL_INVALID");
