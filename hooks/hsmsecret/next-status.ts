// SPDX-License-Identifier: Apache-2.0
// Builds the next status of an HSMSecret from the previous one, byte-equal unless something changed.
import { nextCondition } from "../condition.ts";
import { isPlain, type KeyedChecksums } from "../keyed-checksum.ts";
import type { Condition } from "../kubernetes.ts";
import type { Assessment } from "./assessment.ts";
import type { HSMSecretStatus } from "./schema.ts";
import type { Finding, Reason } from "./status.ts";

/** Reasons that stay until somebody changes something; kstatus calls that stalled. */
const STALLED: ReadonlySet<Reason> = new Set([
  "Conflict",
  "Forbidden",
  "InvalidKey",
  "TooLarge",
  "TypeImmutable",
]);

/** A fact: learned now, forgotten now (null), or as it was. */
const fact = <K extends string, T>(
  name: K,
  learned: T | null | undefined,
  before: T | undefined,
): Partial<Record<K, T>> => {
  const value = learned === undefined ? before : (learned ?? undefined);
  return value === undefined ? {} : ({ [name]: value } as Record<K, T>);
};

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

/** What the status before says of the two contents. Of another path's content it says nothing. */
const contentsBefore = ({
  spec,
  before,
  context: { checksums },
}: Assessment): Pick<HSMSecretStatus, "hsmChecksum" | "lastReading" | "secretChecksum"> => ({
  ...(before.hsmPath === spec.hsmPath && {
    ...fact("hsmChecksum", inTodaysForm(before.hsmChecksum, checksums), undefined),
    ...fact("lastReading", before.lastReading, undefined),
  }),
  ...fact("secretChecksum", inTodaysForm(before.secretChecksum, checksums), undefined),
});

/** Whether the two sides were not known to be the same before, or are other contents now. */
const isNews = (
  { spec, before, context: { checksums } }: Assessment,
  was: ReturnType<typeof contentsBefore>,
  finding: Finding,
): boolean => {
  const isAsBefore = (shown: string | undefined, learned: string | null | undefined): boolean =>
    learned === undefined || (learned === null ? shown === undefined : checksums.fits(shown, learned));
  return (
    before.syncStatus !== "InSync" ||
    before.hsmPath !== spec.hsmPath ||
    !isAsBefore(was.hsmChecksum, finding.hsmChecksum) ||
    !isAsBefore(was.secretChecksum, finding.secretChecksum)
  );
};

const conditionsOf = ({ before, context }: Assessment, finding: Finding): Condition[] => {
  const { reason, message, leak, stalled } = finding;
  const condition = (type: string, status: "True" | "False", why: Reason, words: string) =>
    nextCondition(before.conditions, context.now, { type, status, reason: why, message: words });
  const synced = reason === "Synced";
  const conditions = [condition("Ready", synced ? "True" : "False", reason, message)];
  if (reason === "Applying") conditions.push(condition("Reconciling", "True", reason, message));
  if (STALLED.has(reason) || stalled) conditions.push(condition("Stalled", "True", reason, message));
  else if (synced && leak !== undefined) {
    conditions.push(condition("Stalled", "True", "LastAppliedLeak", leak));
  }
  if (leak !== undefined) conditions.push(condition("LastAppliedLeak", "True", "LastAppliedLeak", leak));
  return conditions;
};

const secretRefOf = ({ parent, before }: Assessment, { secretName, secretUid }: Finding) => {
  const name = secretName === undefined ? before.secretRef?.name : secretName;
  if (name == null) return undefined;
  const { namespace } = parent.metadata;
  return { name, namespace, ...fact("uid", secretUid, before.secretRef?.uid) };
};

/** What is wrong, as the status tells it; undefined where nothing is. */
const errorOf = ({ reason, message, overdue, leak }: Finding): string | undefined =>
  reason === "Synced" || (reason === "Applying" && !overdue) ? leak : message;

/** The status after `finding`. */
export const nextStatus = (assessment: Assessment, finding: Finding): HSMSecretStatus => {
  const { parent, spec, before, context } = assessment;
  const { now, checksums } = context;
  const was = contentsBefore(assessment);
  const syncedNow = finding.reason === "Synced" && isNews(assessment, was, finding);
  return {
    ...fact("observedGeneration", parent.metadata.generation, undefined),
    syncStatus: finding.syncStatus,
    hsmPath: spec.hsmPath,
    ...fact("lastSyncTime", syncedNow ? now : undefined, before.lastSyncTime),
    ...fact("hsmChecksum", shownFor(finding.hsmChecksum, was.hsmChecksum, checksums), undefined),
    ...fact("lastReading", finding.lastReading, was.lastReading),
    ...fact("secretChecksum", shownFor(finding.secretChecksum, was.secretChecksum, checksums), undefined),
    ...fact("lastError", errorOf(finding), undefined),
    ...fact("device", finding.device, before.device),
    ...fact("secretRef", secretRefOf(assessment, finding), undefined),
    ...fact("lastForceSync", finding.lastForceSync, before.lastForceSync),
    ...fact("conflict", shownConflict(finding.conflict, before.conflict, checksums), undefined),
    ...fact("lastResolve", finding.lastResolve, before.lastResolve),
    conditions: conditionsOf(assessment, finding),
  };
};
