// SPDX-License-Identifier: Apache-2.0
// Reads the status that the last sync of an HSMSecret left, and builds the next, byte-equal unless something changed.
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { isPlain, type KeyedChecksums } from "../checksum.ts";
import type { Condition } from "../kubernetes.ts";
import { conditionOf, nextCondition } from "../metadata.ts";
import type { HookContext } from "./context.ts";
import { type Answerer, answererName, type Reading, type Standing } from "./reading.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import { type HSMSecret, HSMSecretStatus, type SyncStatus } from "./schema.ts";

/** Why an HSMSecret is in the state that it is in: the reasons of its conditions; docs/hsmsecret.md explains each. */
export const REASONS = [
  "Synced",
  "SyncedFromMirror",
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

/** Whether the Secret holds what the token holds. */
export const isSynced = (reason: Reason | undefined): boolean =>
  reason === "Synced" || reason === "SyncedFromMirror";

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
  readonly set?: HSMSecretStatus["set"];
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
export type ReadingFacts = Pick<Finding, "device" | "hsmChecksum" | "lastReading" | "set">;

/** What stands behind the name of a member of a set that is not its primary. */
const ROLES: Readonly<Record<Standing["role"], string>> = {
  primary: "",
  mirror: " (mirror)",
  none: " (no lease)",
  disputed: " (role disputed)",
};

const answererFacts = (answerer: Answerer): Pick<ReadingFacts, "device" | "set"> => {
  const { device, standing } = answerer;
  if (standing === undefined) return { device };
  const { role, epoch } = standing;
  return {
    device: `${answererName(answerer)}${ROLES[role]}`,
    ...(role === "primary" && { set: { device, epoch } }),
  };
};

/** The facts that `reading` teaches. */
export const readingFacts = (reading: Reading): ReadingFacts => {
  switch (reading.outcome) {
    case "found": {
      if (reading.diverged) return { device: answererFacts(reading).device ?? reading.device };
      const { device, version, checksum, epoch } = reading;
      const lastReading = { version, device, ...(epoch !== undefined && { epoch }) };
      return { ...answererFacts(reading), hsmChecksum: checksum, lastReading };
    }
    case "absent":
      if (reading.diverged) return { device: answererFacts(reading).device ?? reading.device };
      return { ...answererFacts(reading), hsmChecksum: null, lastReading: null };
    case "unchanged":
      return answererFacts(reading);
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

/** What the next status is made of beside a finding; an assessment has it. */
export interface StatusInputs {
  readonly parent: HSMSecret;
  readonly spec: Pick<ResolvedSpec, "hsmPath">;
  /** The status that the last sync left. */
  readonly before: HSMSecretStatus;
  readonly context: Pick<HookContext, "now" | "checksums">;
}

/** Reasons that stay until somebody changes something; kstatus calls that stalled. */
const STALLED: ReadonlySet<Reason> = new Set([
  "Conflict",
  "Forbidden",
  "InvalidKey",
  "TooLarge",
  "TypeImmutable",
]);

/** A fact: learned now, forgotten now (null), or as it was. */
const fact = <T>(learned: T | null | undefined, before: T | undefined): T | undefined =>
  learned === undefined ? before : (learned ?? undefined);

/** The checksum that a status shows, in the form of today: earlier versions showed the plain one. */
const inTodaysForm = (shown: string | undefined, checksums: KeyedChecksums): string | undefined =>
  shown !== undefined && isPlain(shown) ? checksums.of(shown) : shown;

/** What to show for a checksum that was learned (plain), forgotten (null), or is as it was. */
const shownFor = (
  learned: string | null | undefined,
  before: string | undefined,
  checksums: KeyedChecksums,
): string | undefined => {
  if (learned === undefined) return before;
  return learned === null ? undefined : checksums.kept(before, learned);
};

/** The conflict of a finding as the status shows it. */
const shownConflict = (
  learned: Finding["conflict"],
  before: HSMSecretStatus["conflict"],
  checksums: KeyedChecksums,
): HSMSecretStatus["conflict"] => {
  if (learned == null) return learned === undefined ? before : undefined;
  const { secretChecksum, hsmChecksum } = learned;
  return {
    secretChecksum: checksums.kept(before?.secretChecksum, secretChecksum),
    ...(hsmChecksum !== undefined && { hsmChecksum: checksums.kept(before?.hsmChecksum, hsmChecksum) }),
  };
};

/** What a status says of the two contents. */
type Contents = Record<"hsmChecksum" | "secretChecksum", string | undefined> & {
  lastReading: HSMSecretStatus["lastReading"] | undefined;
};

/** What the status before says of the two contents. Of another path's content it says nothing. */
const contentsBefore = ({ spec, before, context: { checksums } }: StatusInputs): Contents => {
  const isOfPath = before.hsmPath === spec.hsmPath;
  return {
    hsmChecksum: isOfPath ? inTodaysForm(before.hsmChecksum, checksums) : undefined,
    lastReading: isOfPath ? before.lastReading : undefined,
    secretChecksum: inTodaysForm(before.secretChecksum, checksums),
  };
};

/** Whether the two sides are the same, and were not known to be so before, or are other contents now. */
const isSyncedAnew = (
  { spec, before, context: { checksums } }: StatusInputs,
  was: Contents,
  finding: Finding,
): boolean => {
  const isAsBefore = (shown: string | undefined, learned: string | null | undefined): boolean =>
    learned === undefined || (learned === null ? shown === undefined : checksums.fits(shown, learned));
  return (
    isSynced(finding.reason) &&
    (before.syncStatus !== "InSync" ||
      before.hsmPath !== spec.hsmPath ||
      !isAsBefore(was.hsmChecksum, finding.hsmChecksum) ||
      !isAsBefore(was.secretChecksum, finding.secretChecksum))
  );
};

const conditionsOf = ({ before, context }: StatusInputs, finding: Finding): Condition[] => {
  const { reason, message, leak, stalled } = finding;
  const condition = (type: string, status: "True" | "False", why: Reason, words: string) =>
    nextCondition(before.conditions, context.now, { type, status, reason: why, message: words });
  const synced = isSynced(reason);
  const conditions = [condition("Ready", synced ? "True" : "False", reason, message)];
  if (reason === "Applying") conditions.push(condition("Reconciling", "True", reason, message));
  if (STALLED.has(reason) || stalled) conditions.push(condition("Stalled", "True", reason, message));
  else if (synced && leak !== undefined) {
    conditions.push(condition("Stalled", "True", "LastAppliedLeak", leak));
  }
  if (leak !== undefined) conditions.push(condition("LastAppliedLeak", "True", "LastAppliedLeak", leak));
  return conditions;
};

const secretRefOf = ({ parent, before }: StatusInputs, { secretName, secretUid }: Finding) => {
  const name = secretName === undefined ? before.secretRef?.name : secretName;
  if (name == null) return undefined;
  const { namespace } = parent.metadata;
  const uid = fact(secretUid, before.secretRef?.uid);
  return { name, namespace, ...(uid !== undefined && { uid }) };
};

/** An epoch never goes back, but for another set. */
const laterSet = (before: HSMSecretStatus["set"], learned: Finding["set"]): HSMSecretStatus["set"] =>
  before !== undefined && (learned === undefined || isLaterInSet(before, learned)) ? before : learned;

const isLaterInSet = (
  one: NonNullable<HSMSecretStatus["set"]>,
  other: NonNullable<HSMSecretStatus["set"]>,
): boolean => one.device === other.device && one.epoch >= other.epoch;

/** What is wrong, as the status tells it; undefined where nothing is. */
const errorOf = ({ reason, message, overdue, leak }: Finding): string | undefined =>
  isSynced(reason) || (reason === "Applying" && !overdue) ? leak : message;

/** The status after `finding`. */
export const nextStatus = (inputs: StatusInputs, finding: Finding): HSMSecretStatus => {
  const { parent, spec, before, context } = inputs;
  const { checksums } = context;
  const was = contentsBefore(inputs);
  const { generation } = parent.metadata;
  const lastSyncTime = isSyncedAnew(inputs, was, finding) ? context.now : before.lastSyncTime;
  const hsmChecksum = shownFor(finding.hsmChecksum, was.hsmChecksum, checksums);
  const lastReading = fact(finding.lastReading, was.lastReading);
  const secretChecksum = shownFor(finding.secretChecksum, was.secretChecksum, checksums);
  const lastError = errorOf(finding);
  const device = finding.device ?? before.device;
  const set = laterSet(before.set, finding.set);
  const secretRef = secretRefOf(inputs, finding);
  const lastForceSync = finding.lastForceSync ?? before.lastForceSync;
  const conflict = shownConflict(finding.conflict, before.conflict, checksums);
  const lastResolve = fact(finding.lastResolve, before.lastResolve);
  return {
    ...(generation !== undefined && { observedGeneration: generation }),
    syncStatus: finding.syncStatus,
    hsmPath: spec.hsmPath,
    ...(lastSyncTime !== undefined && { lastSyncTime }),
    ...(hsmChecksum !== undefined && { hsmChecksum }),
    ...(lastReading !== undefined && { lastReading }),
    ...(secretChecksum !== undefined && { secretChecksum }),
    ...(lastError !== undefined && { lastError }),
    ...(device !== undefined && { device }),
    ...(set !== undefined && { set }),
    ...(secretRef !== undefined && { secretRef }),
    ...(lastForceSync !== undefined && { lastForceSync }),
    ...(conflict !== undefined && { conflict }),
    ...(lastResolve !== undefined && { lastResolve }),
    conditions: conditionsOf(inputs, finding),
  };
};
