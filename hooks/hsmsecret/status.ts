// SPDX-License-Identifier: Apache-2.0
// The status of an HSMSecret: made of the one before, so that nothing in it changes unless something happened.
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { nextCondition } from "../condition.ts";
import { isPlain, type KeyedChecksums } from "../keyed-checksum.ts";
import type { Reading } from "./reading.ts";
import { resolveSpec } from "./resolved-spec.ts";
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
export type Learned = Pick<Finding, "device" | "hsmChecksum" | "lastReading">;

/** The facts that `reading` teaches. */
export const learnedFrom = (reading: Reading): Learned => {
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

/** Reasons that stay until somebody changes something; kstatus calls that stalled. */
const STALLED: ReadonlySet<Reason> = new Set([
  "Conflict",
  "Forbidden",
  "InvalidKey",
  "TooLarge",
  "TypeImmutable",
]);

const isStatus = TypeCompiler.Compile(HSMSecretStatus);

/** The status that `parent` carries, or an empty one where it carries none or one that is not ours. */
export const previousStatus = (parent: HSMSecret): HSMSecretStatus =>
  isStatus.Check(parent.status) ? parent.status : {};

/** The reason of the Ready condition in `status`, if it is one of ours. */
export const readyReason = (status: HSMSecretStatus): Reason | undefined => {
  const reason = status.conditions?.find(({ type }) => type === "Ready")?.reason;
  return REASONS.find((candidate) => candidate === reason);
};

/** A fact: learned now, forgotten now (null), or as it was. */
const fact = <K extends string, T>(
  name: K,
  learned: T | null | undefined,
  before: T | undefined,
): Partial<Record<K, T>> => {
  const value = learned === undefined ? before : (learned ?? undefined);
  return value === undefined ? {} : ({ [name]: value } as Record<K, T>);
};

/** Whether a status shows this checksum of the Secret; one of no Secret it does not show. */
export const isShownAs = (
  shown: string | undefined,
  plain: string | null,
  checksums: KeyedChecksums,
): boolean => plain !== null && checksums.fits(shown, plain);

/** The checksum that a status shows, in the form of today: earlier versions showed the plain one. */
const inTodaysForm = (shown: string | undefined, checksums: KeyedChecksums): string | undefined =>
  shown !== undefined && isPlain(shown) ? checksums.of(shown) : shown;

/** What to show for a checksum that was learned (plain), forgotten (null), or is as it was. */
const shownFor = (
  learned: string | null | undefined,
  before: string | undefined,
  checksums: KeyedChecksums,
): string | null => {
  if (learned === undefined) return before ?? null;
  return learned === null ? null : checksums.kept(before, learned);
};

/** The conflict of a finding as the status shows it. */
const shownConflict = (
  learned: Finding["conflict"],
  before: HSMSecretStatus["conflict"],
  checksums: KeyedChecksums,
): HSMSecretStatus["conflict"] => {
  if (learned == null) return learned === undefined ? before : undefined;
  return {
    secretChecksum: checksums.kept(before?.secretChecksum, learned.secretChecksum),
    ...fact(
      "hsmChecksum",
      learned.hsmChecksum && checksums.kept(before?.hsmChecksum, learned.hsmChecksum),
      undefined,
    ),
  };
};

/** The status of `parent` after `finding`, at the time `now` (RFC 3339). */
export const nextStatus = (
  parent: HSMSecret,
  finding: Finding,
  { now, checksums }: { readonly now: string; readonly checksums: KeyedChecksums },
): HSMSecretStatus => {
  const before = previousStatus(parent);
  const synced = finding.reason === "Synced";
  const { hsmPath } = resolveSpec(parent);
  // A checksum of another path's content says nothing of this one's.
  const hsmBefore = before.hsmPath === hsmPath ? inTodaysForm(before.hsmChecksum, checksums) : undefined;
  const secretBefore = inTodaysForm(before.secretChecksum, checksums);
  const facts = {
    ...fact("hsmChecksum", shownFor(finding.hsmChecksum, hsmBefore, checksums), undefined),
    ...fact("lastReading", finding.lastReading, before.hsmPath === hsmPath ? before.lastReading : undefined),
    ...fact("secretChecksum", shownFor(finding.secretChecksum, secretBefore, checksums), undefined),
  };
  const isAsBefore = (was: string | undefined, learned: string | null | undefined): boolean =>
    learned === undefined || (learned === null ? was === undefined : checksums.fits(was, learned));
  const happened =
    before.syncStatus !== "InSync" ||
    before.hsmPath !== hsmPath ||
    !isAsBefore(hsmBefore, finding.hsmChecksum) ||
    !isAsBefore(secretBefore, finding.secretChecksum);
  const namespace = parent.metadata.namespace;
  const name = finding.secretName === undefined ? before.secretRef?.name : finding.secretName;
  const conflict = shownConflict(finding.conflict, before.conflict, checksums);
  const { reason, message, leak } = finding;
  const condition = (type: string, status: "True" | "False", why: Reason, words: string) =>
    nextCondition(before.conditions, now, { type, status, reason: why, message: words });
  const conditions = [condition("Ready", synced ? "True" : "False", reason, message)];
  if (reason === "Applying") conditions.push(condition("Reconciling", "True", reason, message));
  if (STALLED.has(reason) || finding.stalled) conditions.push(condition("Stalled", "True", reason, message));
  else if (synced && leak !== undefined)
    conditions.push(condition("Stalled", "True", "LastAppliedLeak", leak));
  if (leak !== undefined) conditions.push(condition("LastAppliedLeak", "True", "LastAppliedLeak", leak));
  return {
    ...(parent.metadata.generation === undefined ? {} : { observedGeneration: parent.metadata.generation }),
    syncStatus: finding.syncStatus,
    hsmPath,
    ...fact("lastSyncTime", synced && happened ? now : undefined, before.lastSyncTime),
    ...facts,
    ...fact(
      "lastError",
      synced || (reason === "Applying" && !finding.overdue) ? (leak ?? null) : message,
      undefined,
    ),
    ...fact("device", finding.device, before.device),
    ...(name == null
      ? {}
      : { secretRef: { name, namespace, ...fact("uid", finding.secretUid, before.secretRef?.uid) } }),
    ...fact("lastForceSync", finding.lastForceSync, before.lastForceSync),
    ...(conflict === undefined ? {} : { conflict }),
    ...fact("lastResolve", finding.lastResolve, before.lastResolve),
    conditions,
  };
};
