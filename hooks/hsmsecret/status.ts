// SPDX-License-Identifier: Apache-2.0
// Reads the previous status of an HSMSecret, and defines what a sync finds out for the next one.
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { conditionOf } from "../condition.ts";
import type { Reading } from "./reading.ts";
import { type HSMSecret, HSMSecretStatus, type SyncStatus } from "./schema.ts";

/** Why an HSMSecret is in the state that it is in: the reasons of its conditions; docs/hsmsecret.md explains each. */
export const REASONS = [
  "Synced",
  "Applying",
  "Drifted",
  "HSMUnavailable",
  "ObjectNotFound",
  "Conflict",
  "Forbidden",
  "InvalidKey",
  "TooLarge",
  "TypeImmutable",
  "WriteBackFailed",
  "LastAppliedLeak",
] as const;
export type Reason = (typeof REASONS)[number];

/** What one sync found out. */
export interface Finding {
  readonly reason: Reason;
  /** In words, with what to do where something is wrong. Never a value. */
  readonly message: string;
  readonly syncStatus: SyncStatus;
  /** Facts that this sync learned; a fact that it did not learn stays as it was, `null` forgets it. Checksums are plain. */
  readonly hsmChecksum?: string | null;
  readonly lastReading?: HSMSecretStatus["lastReading"] | null;
  readonly secretChecksum?: string | null;
  readonly device?: string;
  readonly lastForceSync?: string;
  readonly secretName?: string | null;
  /** Of the Secret that the HSMSecret owns. */
  readonly secretUid?: string | null;
  readonly conflict?: HSMSecretStatus["conflict"] | null;
  readonly lastResolve?: string | null;
  /** Whether the Secret has been being written for so long that something must be in the way. */
  readonly overdue?: true;
  /** Whether a failure stays until somebody changes something. */
  readonly stalled?: true;
  /** The Secret leaks its data in the annotation of dynamic apply: what to do. */
  readonly leak?: string;
}

/** What a reading says for the status, whatever follows from it. */
export type ReadingFacts = Pick<Finding, "device" | "hsmChecksum" | "lastReading">;

/** The facts that `reading` teaches. */
export const readingFacts = (reading: Reading): ReadingFacts => {
  switch (reading.outcome) {
    case "found": {
      const { device, version, checksum } = reading;
      return { device, hsmChecksum: checksum, lastReading: { version, device } };
    }
    case "absent":
      return { device: reading.device, hsmChecksum: null, lastReading: null };
    case "unchanged":
      return { device: reading.device };
    case "unavailable":
      return {};
  }
};

const isStatus = TypeCompiler.Compile(HSMSecretStatus);

/** The status that `parent` carries, or an empty one where it carries none or one that is not ours. */
export const previousStatus = (parent: HSMSecret): HSMSecretStatus =>
  isStatus.Check(parent.status) ? parent.status : {};

/** The reason of the Ready condition in `status`, if it is one of ours. */
export const readyReason = (status: HSMSecretStatus): Reason | undefined => {
  const reason = conditionOf(status.conditions, "Ready")?.reason;
  return REASONS.find((candidate) => candidate === reason);
};

/** Whether the status says `reason` and `message` already, so that no event has to tell of them. */
export const isReported = (
  status: HSMSecretStatus,
  { reason, message }: Pick<Finding, "reason" | "message">,
): boolean => {
  const last = conditionOf(status.conditions, "Ready");
  return last?.reason === reason && last.message === message;
};
