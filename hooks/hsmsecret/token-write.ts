// SPDX-License-Identifier: Apache-2.0
// Defines the writes and removals that a hook asks the webhook to make on the token, and their outcomes.
import type { ErrorCode } from "../error-codes.ts";
import type { StringMap } from "../kubernetes.ts";
import type { Quota } from "../quota.ts";

/** One write of one path, on the condition that the token still holds what the reading showed. */
export interface Write {
  /** `put`: exactly these keys. `patch`: these keys, the others of the path stay. */
  readonly method: "put" | "patch";
  readonly path: string;
  /** The agent that gave the reading; the write goes to no other. */
  readonly device: string;
  /** Base64 values by the token's keys. */
  readonly data: StringMap;
  /** Checksum that the token must still have; undefined: the path must still hold nothing. */
  readonly ifMatch?: string;
  /** Noted with the content: see sourceNoteOf(). */
  readonly source: string;
  /** The checksum that the path has after the write. */
  readonly checksum: string;
  /** What the namespace may have on the token; the agent sees to it. */
  readonly quota: Quota;
}

/** Removes the data of a path, whatever they are. Without `device`, from the agent that is asked first. */
export interface Removal {
  readonly path: string;
  readonly device?: string;
}

/** Why nothing is known to have been written. */
interface Failure {
  /** `refused`: trying again is of use only when something has changed. `unavailable`: it may have happened all the same. */
  readonly outcome: "refused" | "unavailable";
  readonly code: ErrorCode;
  /** Never a value. */
  readonly message: string;
  readonly retryAfterSeconds?: number;
}

/**
 * A write that is not known to have succeeded. `precondition`: the token holds something else than was read. `pending`: the
 * agent has it, and did not answer within the time of a hook; cards take longer than that.
 */
export type FailedWrite = { readonly outcome: "precondition" } | { readonly outcome: "pending" } | Failure;

export type WriteOutcome = { readonly outcome: "written" } | FailedWrite;

/** `removed`: a healthy token holds nothing at the path, be it because it held nothing before. */
export type RemovalOutcome = { readonly outcome: "removed" } | Failure;
