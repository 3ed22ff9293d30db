// SPDX-License-Identifier: Apache-2.0
// The Secret with certain data: it is there already, it is written now, or something is in the way.
import type { StringMap } from "../kubernetes.ts";
import { appliedText } from "./applied.ts";
import { isMisleading } from "./base.ts";
import {
  agreed,
  creating,
  hasDataOf,
  isApplied,
  marked,
  relisted,
  replacing,
  type SecretChild,
  secretChild,
} from "./child.ts";
import { type Decision, leaveAlone, type Situation } from "./decision.ts";
import type { Reading } from "./reading.ts";
import { type Finding, isShownAs, type Learned, learnedFrom, previousStatus } from "./status.ts";
import {
  heldText,
  isUnselected,
  notTakenOverText,
  OVERDUE_SECONDS,
  overdueText,
  TAKE_OVER_SECONDS,
  writingFor,
} from "./unwritten.ts";

type Answered = Extract<Reading, { outcome: "found" | "unchanged" }>;
type Found = Extract<Reading, { outcome: "found" }>;

const foundIn = (reading: Answered | undefined): Found | undefined =>
  reading?.outcome === "found" ? reading : undefined;

/** What keeps a Secret from getting any data: another type, or a deletion that something holds up. */
const inTheWay = (situation: Situation, learned: Learned): Decision | undefined => {
  const { spec, observed } = situation;
  const secret = observed.owned ?? observed.foreign;
  if (secret === undefined) return undefined;
  const type = secret.type ?? "Opaque";
  if (type !== spec.secretType) {
    return leaveAlone(situation, {
      ...learned,
      reason: "TypeImmutable",
      message: `spec.secretType is ${spec.secretType}, but the Secret ${spec.secretName} has type ${type}, which Kubernetes can't change. Set spec.secretType to ${type}, or delete the Secret: it is made anew.`,
      syncStatus: "OutOfSync",
    });
  }
  const held = heldText(secret);
  return held === undefined
    ? undefined
    : leaveAlone(situation, { ...learned, reason: "Conflict", message: held, syncStatus: "OutOfSync" });
};

const inSync = ({ spec, secretChecksum }: Situation, learned: Learned, child: SecretChild): Decision => ({
  children: [child],
  finding: {
    ...learned,
    reason: "Synced",
    message: spec.autoSync
      ? `The Secret ${spec.secretName} holds what the token holds at ${spec.hsmPath}.`
      : `The Secret ${spec.secretName} holds what the token held at ${spec.hsmPath} when it was last read (spec.autoSync is false).`,
    syncStatus: "InSync",
    secretChecksum,
    secretName: spec.secretName,
  },
  after: spec.syncInterval,
});

/** Whether somebody has edited the Secret: it is not as it was last seen, or neither token nor spec has changed since. */
const isEdited = (
  { parent, observed, secretChecksum, checksums }: Situation,
  found: Found | undefined,
): boolean => {
  const before = previousStatus(parent);
  if (observed.owned === undefined || before.syncStatus !== "InSync") return false;
  if (!isShownAs(before.secretChecksum, secretChecksum, checksums)) return true;
  return (
    before.observedGeneration === parent.metadata.generation &&
    (found === undefined || checksums.fits(before.hsmChecksum, found.checksum))
  );
};

/** What is said while the Secret is being written, whether something must be in the way, and when to look again (seconds). */
const progress = (
  situation: Situation,
  found: Found | undefined,
): Pick<Finding, "message" | "overdue"> & { after: number } => {
  const { parent, spec, observed, now } = situation;
  const name = `${parent.metadata.namespace}/${spec.secretName}`;
  const waited = writingFor(previousStatus(parent), now);
  const unclaimed = observed.released ? observed.owned : observed.foreign;
  const unselected = unclaimed !== undefined && isUnselected(parent, unclaimed);
  if (unselected && waited >= TAKE_OVER_SECONDS) {
    return { message: notTakenOverText(parent, unclaimed), overdue: true, after: spec.syncInterval };
  }
  if (waited >= OVERDUE_SECONDS) {
    return { message: overdueText(parent, spec.secretName), overdue: true, after: spec.syncInterval };
  }
  return {
    message: isEdited(situation, found)
      ? `The Secret ${name} was changed by somebody and is being put right.`
      : `The Secret ${name} is being written.`,
    after: Math.min(spec.syncInterval, (unselected ? TAKE_OVER_SECONDS : OVERDUE_SECONDS) - waited),
  };
};

/** Lists `child` to be written, and the Secrets of an earlier secretName, which go only after it is there. */
const writing = (
  situation: Situation,
  learned: Learned,
  child: SecretChild,
  found: Found | undefined,
): Decision => {
  const { parent, spec, observed, secretChecksum, checksums } = situation;
  const before = previousStatus(parent);
  const { after, ...said } = progress(situation, found);
  return {
    children: [
      observed.owned === undefined
        ? creating(spec, checksums, child)
        : replacing(spec, checksums, child, observed.owned),
      ...observed.stale.map((stale) => relisted(spec, stale)),
    ],
    finding: {
      ...learned,
      reason: "Applying",
      ...said,
      syncStatus:
        before.syncStatus === undefined || before.syncStatus === "Pending" ? "Pending" : "OutOfSync",
      secretChecksum,
      secretName: spec.secretName,
    },
    after,
  };
};

/** Lists the Secret with `data`, and says whether it is there already. */
export const present = (situation: Situation, data: StringMap, reading?: Answered): Decision => {
  const learned: Learned = reading === undefined ? {} : learnedFrom(reading);
  const found = foundIn(reading);
  const { parent, spec, observed, checksums } = situation;
  const obstacle = inTheWay(situation, learned);
  if (obstacle !== undefined) return obstacle;
  const child = secretChild(spec, parent.metadata.namespace, data, spec.secretType, observed.owned);
  const applied = marked(child, found && appliedText(spec, found));
  const misled =
    spec.writeBack !== "Never" && observed.owned && isMisleading(observed.owned, found?.source, data);
  if (isApplied(child, observed.owned) && !misled && !observed.released) {
    return inSync(situation, learned, agreed(spec, checksums, child, applied, observed.owned));
  }
  const secret = observed.owned ?? observed.foreign;
  if (secret?.immutable === true && !hasDataOf(child, secret)) {
    return leaveAlone(situation, {
      ...learned,
      reason: "Conflict",
      message: `The Secret ${spec.secretName} is immutable and differs from the token. Delete it: it is made anew.`,
      syncStatus: "OutOfSync",
    });
  }
  return writing(situation, learned, applied, found);
};
