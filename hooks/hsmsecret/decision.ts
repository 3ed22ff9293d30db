// SPDX-License-Identifier: Apache-2.0
// Makes the decisions on how the response lists the Secret: left as it is, or with given data, and then unchanged, applied or
// blocked by something.
import type { ChecksummedData } from "../checksum.ts";
import type { Secret } from "../kubernetes.ts";
import { conditionOf } from "../metadata.ts";
import { secondsSinceEpoch, secondsUntil } from "../rfc3339.ts";
import type { Assessment } from "./assessment.ts";
import { appliedText } from "./belief.ts";
import {
  hasDataOf,
  isApplied,
  newChild,
  overwritingChild,
  relisted,
  type SecretChild,
  secretChild,
  withAgreedBase,
  withAppliedVersion,
} from "./child.ts";
import type { Judgement } from "./judge.ts";
import { isNoteStale, isUnedited, ownedSecretOf, secretsOf } from "./observed.ts";
import { type Answerer, answererName, type Reading, type Standing } from "./reading.ts";
import type { HSMSecret, HSMSecretStatus } from "./schema.ts";
import { type Finding, type ReadingFacts, readingFacts } from "./status.ts";

/** What a sync decided: the children of the answer, what was found out, and when to look again (seconds). */
export interface Decision {
  readonly children: readonly SecretChild[];
  readonly finding: Finding;
  readonly after?: number;
}

/** The checksum of the Secret that is owned; null where there is none. */
const secretChecksumOf = ({ observed }: Assessment): string | null => observed.owned?.whole.checksum ?? null;

/** Leaves the data of every Secret as it is and says why. */
export const leaveAlone = (
  assessment: Assessment,
  finding: Omit<Finding, "secretChecksum">,
  after = assessment.spec.syncInterval,
): Decision => {
  const { spec, observed } = assessment;
  return {
    children: secretsOf(observed).map((secret) => relisted(spec, secret)),
    finding: {
      ...finding,
      secretChecksum: secretChecksumOf(assessment),
      secretName: observed.owned?.secret.metadata.name ?? null,
    },
    after,
  };
};

/**
 * `decision`, but without letting go of a Secret of an earlier secretName that was edited and whose edit nobody has
 * taken to the token.
 */
export const withoutDroppingEdits = (
  { spec, observed, context }: Assessment,
  decision: Decision,
): Decision => {
  if (spec.writeBack === "Never") return decision;
  const listed = new Set(decision.children.map(({ metadata }) => metadata.name));
  const edited = observed.stale.filter(
    (secret) =>
      !listed.has(secret.metadata.name) &&
      isUnedited(ownedSecretOf(secret, spec), context.checksums) === false,
  );
  if (edited.length === 0) return decision;
  const names = edited.map(({ metadata }) => metadata.name).join(", ");
  return {
    ...decision,
    children: [...decision.children, ...edited.map((secret) => relisted(spec, secret))],
    finding: {
      ...decision.finding,
      reason: "Conflict",
      message: `The Secret ${names} of an earlier spec.secretName was edited, and the edit is not on the token. Put what you need of it into ${spec.secretName}, then delete it.`,
      syncStatus: "OutOfSync",
    },
  };
};

type Found = Extract<Reading, { outcome: "found" }>;

/** What keeps a Secret from getting any data: another type, or a deletion that something holds up. */
const inTheWay = (judgement: Judgement, learned: ReadingFacts): Decision | undefined => {
  const { spec, observed } = judgement;
  const secret = observed.owned?.secret ?? observed.foreign;
  if (secret === undefined) return undefined;
  const type = secret.type ?? "Opaque";
  if (type !== spec.secretType) {
    return leaveAlone(judgement, {
      ...learned,
      reason: "TypeImmutable",
      message: `spec.secretType is ${spec.secretType}, but the Secret ${spec.secretName} has type ${type}, which Kubernetes can't change. Set spec.secretType to ${type}, or delete the Secret: it is made anew.`,
      syncStatus: "OutOfSync",
    });
  }
  const held = heldByFinalizerText(secret);
  return held === undefined
    ? undefined
    : leaveAlone(judgement, { ...learned, reason: "Conflict", message: held, syncStatus: "OutOfSync" });
};

/** Seconds after which a set is read again whose primary could not be. */
const DEGRADED_SECONDS = 60;

const DEGRADED: Readonly<Record<Exclude<Standing["role"], "primary">, string>> = {
  mirror: "a mirror, because the primary of the set can't be read",
  none: "which has no lease, because the primary of the set can't be read",
  disputed: "which claims to be the primary of the set, as another one does; neither is believed to be newer",
};

/** What is said where a member of a set answered that is not its primary: the same until something changes. */
const degradedText = ({ spec }: Judgement, answerer: Answerer): string | undefined => {
  const { role = "primary" } = answerer.standing ?? {};
  if (role === "primary") return undefined;
  const waiting = spec.writeBack === "Never" ? "" : " An edit of the Secret waits for the primary.";
  return `The Secret ${spec.secretName} holds what the token of ${answererName(answerer)} holds at ${spec.hsmPath}: ${DEGRADED[role]}.${waiting}`;
};

const inSync = (judgement: Judgement, learned: ReadingFacts, child: SecretChild): Decision => {
  const { spec, reading } = judgement;
  const isAnswer = reading !== undefined && reading.outcome !== "unavailable";
  const degraded = isAnswer ? degradedText(judgement, reading) : undefined;
  const message = spec.autoSync
    ? `The Secret ${spec.secretName} holds what the token holds at ${spec.hsmPath}.`
    : `The Secret ${spec.secretName} holds what the token held at ${spec.hsmPath} when it was last read (spec.autoSync is false).`;
  return {
    children: [child],
    finding: {
      ...learned,
      reason: degraded === undefined ? "Synced" : "SyncedFromMirror",
      message: degraded ?? message,
      syncStatus: "InSync",
      secretChecksum: secretChecksumOf(judgement),
      secretName: spec.secretName,
    },
    after: degraded === undefined ? spec.syncInterval : Math.min(spec.syncInterval, DEGRADED_SECONDS),
  };
};

/** Whether somebody has edited the Secret: it is not as it was last seen, or neither token nor spec has changed since. */
const isEdited = ({ parent, before, observed, context }: Judgement, found: Found | undefined): boolean => {
  const { checksums } = context;
  if (observed.owned === undefined || before.syncStatus !== "InSync") return false;
  if (!checksums.fits(before.secretChecksum, observed.owned.whole.checksum)) return true;
  return (
    before.observedGeneration === parent.metadata.generation &&
    (found === undefined || checksums.fits(before.hsmChecksum, found.checksum))
  );
};

/** What is said while the Secret is being written, whether something must be in the way, and when to look again (seconds). */
const progress = (
  judgement: Judgement,
  found: Found | undefined,
): Pick<Finding, "message" | "overdue"> & { after: number } => {
  const { parent, spec, before, observed, context } = judgement;
  const name = `${parent.metadata.namespace}/${spec.secretName}`;
  const waited = secondsReconciling(before, context.now);
  const unclaimed = observed.released ? observed.owned?.secret : observed.foreign;
  const unselected = unclaimed !== undefined && isOutsideSelector(parent, unclaimed);
  if (unselected && waited >= TAKE_OVER_SECONDS) {
    return { message: notTakenOverText(parent, unclaimed), overdue: true, after: spec.syncInterval };
  }
  if (waited >= OVERDUE_SECONDS) {
    return { message: overdueText(parent, spec.secretName), overdue: true, after: spec.syncInterval };
  }
  return {
    message: isEdited(judgement, found)
      ? `The Secret ${name} was changed by somebody and is being put right.`
      : `The Secret ${name} is being written.`,
    after: Math.min(spec.syncInterval, (unselected ? TAKE_OVER_SECONDS : OVERDUE_SECONDS) - waited),
  };
};

/** Lists `child`, which has `data`, to be written, and the Secrets of an earlier secretName, which go only after it is there. */
const writing = (
  judgement: Judgement,
  learned: ReadingFacts,
  child: SecretChild,
  data: ChecksummedData,
  found: Found | undefined,
): Decision => {
  const { spec, before, observed } = judgement;
  const { after, ...said } = progress(judgement, found);
  return {
    children: [
      observed.owned === undefined
        ? newChild(judgement, child, data)
        : overwritingChild(judgement, child, data, observed.owned),
      ...observed.stale.map((stale) => relisted(spec, stale)),
    ],
    finding: {
      ...learned,
      reason: "Applying",
      ...said,
      syncStatus:
        before.syncStatus === undefined || before.syncStatus === "Pending" ? "Pending" : "OutOfSync",
      secretChecksum: secretChecksumOf(judgement),
      secretName: spec.secretName,
    },
    after,
  };
};

/** Lists the Secret with `data`, and says whether it is there already. */
export const ensurePresent = (judgement: Judgement, data: ChecksummedData): Decision => {
  const { parent, spec, observed, reading } = judgement;
  const { owned } = observed;
  const learned: ReadingFacts = reading === undefined ? {} : readingFacts(reading);
  const found = reading?.outcome === "found" ? reading : undefined;
  const obstacle = inTheWay(judgement, learned);
  if (obstacle !== undefined) return obstacle;
  const child = secretChild(spec, parent.metadata.namespace, data.data, spec.secretType, owned?.secret);
  const applied = withAppliedVersion(child, found && appliedText(spec, found));
  const misled = spec.writeBack !== "Never" && owned && isNoteStale(owned.secret, found?.source, data);
  if (owned !== undefined && isApplied(child, owned.secret) && !misled && !observed.released) {
    return inSync(judgement, learned, withAgreedBase(judgement, { child, applied }, data, owned));
  }
  const secret = owned?.secret ?? observed.foreign;
  if (secret?.immutable === true && !hasDataOf(child, secret)) {
    return leaveAlone(judgement, {
      ...learned,
      reason: "Conflict",
      message: `The Secret ${spec.secretName} is immutable and differs from the token. Delete it: it is made anew.`,
      syncStatus: "OutOfSync",
    });
  }
  return writing(judgement, learned, applied, data, found);
};

/** Finalizers that the garbage collector takes off by itself. */
const PASSING: ReadonlySet<string> = new Set(["foregroundDeletion", "orphan"]);

/** What to say of a Secret that is being deleted and held; Metacontroller changes none that is. */
const heldByFinalizerText = ({ metadata }: Secret): string | undefined => {
  const held = (metadata.finalizers ?? []).filter((name) => !PASSING.has(name));
  return metadata.deletionTimestamp === undefined || held.length === 0
    ? undefined
    : `The Secret ${metadata.name} is being deleted and is held by the ${held.length === 1 ? "finalizer" : "finalizers"} ${held.join(", ")}. It is made anew once it is gone: have whoever set that take it off.`;
};

/** Seconds after which a Secret that is still not as it was asked for is told to be refused. */
const OVERDUE_SECONDS = 60;

/** How long `before` has said that the Secret is being written, in seconds at the time `now`. */
const secondsReconciling = (before: HSMSecretStatus, now: string): number => {
  const since = conditionOf(before.conditions, "Reconciling")?.lastTransitionTime;
  return since === undefined || secondsSinceEpoch(since) === undefined ? 0 : secondsUntil(now, since);
};

/** What to say of such a Secret, and where to look. */
const overdueText = (parent: HSMSecret, secretName: string): string => {
  const { name, namespace } = parent.metadata;
  return `The Secret ${namespace}/${secretName} has not been written for more than ${OVERDUE_SECONDS} s: the API server refuses it, or Metacontroller does not get to it. Look for a ResourceQuota, an admission webhook or policy: kubectl describe hsmsecret ${name} -n ${namespace} shows Metacontroller's error, kubectl describe resourcequota -n ${namespace} what is used up.`;
};

/** The label that Metacontroller's generated selector asks of a child: the uid of its parent. */
const SELECTED_BY = "controller-uid";

/** Seconds after which a Secret that is still nobody's is told to be waited for; server-side apply takes it over at once. */
const TAKE_OVER_SECONDS = 2;

/** Whether nothing but server-side apply takes `secret` over: dynamic apply claims only what its selector matches. */
const isOutsideSelector = (parent: HSMSecret, secret: Secret): boolean =>
  secret.metadata.labels?.[SELECTED_BY] !== parent.metadata.uid;

/** What to say of a Secret that is nobody's and that Metacontroller has not taken over. */
const notTakenOverText = (parent: HSMSecret, secret: Secret): string => {
  const { name, namespace, uid } = parent.metadata;
  return `The Secret ${namespace}/${secret.metadata.name} is there, no controller owns it, and Metacontroller has not taken it over. With dynamic apply it takes over only what carries the label ${SELECTED_BY}: kubectl label secret -n ${namespace} ${secret.metadata.name} ${SELECTED_BY}=${uid} --overwrite. With server-side apply the API server refuses it: kubectl describe hsmsecret ${name} -n ${namespace} shows Metacontroller's error.`;
};

/** FNV-1a, 32 bits: small, stable, and even enough to spread uids. */
const fnv1a = (text: string): number => {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
};

/**
 * Seconds until the next sync: between 80 % and 100 % of `interval` (seconds), the same for one uid at every call.
 * Objects with one interval drift apart from the first round on and none waits longer than it asked to.
 */
export const resyncAfter = (uid: string, interval: number): number =>
  Math.max(1, Math.round(interval * (0.8 + (0.2 * fnv1a(uid)) / 2 ** 32)));
