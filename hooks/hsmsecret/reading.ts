// SPDX-License-Identifier: Apache-2.0
// Defines the outcomes of reading a path from the token. "absent" is the result of a healthy token, "unavailable" is not, and
// the two are never confused.
import type { UnavailableCode } from "../error-codes.ts";
import type { StringMap } from "../kubernetes.ts";
import type { Stamp } from "../stamp.ts";

/**
 * How the agent that answered stands in its set of HSMs. `primary`: it has the lease of the highest epoch that any member tells of;
 * `none`: it has no lease; `disputed`: two agents claim to be the primary of one epoch.
 */
export interface Standing {
  readonly role: "primary" | "mirror" | "none" | "disputed";
  /** The highest epoch that a member of the set told of. */
  readonly epoch: number;
  /** Id of the device, where the agent said it. */
  readonly member?: string;
  /** Whether a mirror holds what the primary of that epoch had, all of it and nothing of its own. */
  readonly isCopy?: true;
}

/** Who answered. */
export interface Answerer {
  /** The agent as the configuration names it: one agent, or a set of HSMs. */
  device: string;
  /** Whether an agent answered that is not the first of those to ask: nothing is written there. */
  mirror?: true;
  /** Absent where the agent is asked for itself, and not as a member of a set. */
  standing?: Standing;
}

/**
 * `diverged` is set where the primary of a set does not know of what was applied, as after the failure of another that had not been
 * mirrored yet.
 */
export type Reading =
  /** The path's keys with base64 values. `checksum` is as hooks/checksum.ts makes it. */
  | (Answerer & {
      outcome: "found";
      data: StringMap;
      checksum: string;
      version: number;
      /** Of the set, when it was written; absent: it was outside any. */
      epoch?: number;
      /** Absent: it replaced no write of an earlier epoch. */
      history?: Stamp["history"];
      /** What the last writer noted with the content (metadata.source). */
      source?: string;
      diverged?: true;
    })
  /** The token still holds what the checksum of the read plan names. */
  | (Answerer & { outcome: "unchanged" })
  /** A healthy token says that nothing is stored at the path. */
  | (Answerer & { outcome: "absent"; diverged?: true })
  /** Nobody could say. `message` holds no value and no PIN; `retryAfterSeconds` is the agent's own advice. */
  | {
      outcome: "unavailable";
      code: UnavailableCode;
      message: string;
      retryAfterSeconds?: number;
    };

/** The agent, and of a set the member of it that answered. */
export const answererName = ({ device, standing }: Answerer): string =>
  standing?.member === undefined ? device : `${device}/${standing.member}`;

/** Whether a member of a set answered that is not its primary. */
export const isDegraded = ({ standing }: Answerer): boolean =>
  standing !== undefined && standing.role !== "primary";
