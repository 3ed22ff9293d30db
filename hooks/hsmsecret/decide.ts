// SPDX-License-Identifier: Apache-2.0
// The decision of a sync: which Secrets the answer lists and what the status shall say, for each outcome of the reading.
import type { KeyedChecksums } from "../keyed-checksum.ts";
import type { StringMap } from "../kubernetes.ts";
import { appliedText } from "./applied.ts";
import { isMisleading } from "./base.ts";
import {
  accepted,
  agreed,
  creating,
  isApplied,
  marked,
  relisted,
  replacing,
  type SecretChild,
  secretChild,
} from "./child.ts";
import { contentOf } from "./content.ts";
import type { Pair, Verdict } from "./judge.ts";
import { type Observed, secretsOf } from "./observed.ts";
import { type HookContext, isAgreed, refusalOf } from "./plan.ts";
import type { Reading } from "./reading.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import { FORCE_SYNC, type HSMSecret } from "./schema.ts";
import { type Finding, isShownAs, type Learned, learnedFrom, previousStatus, readyReason } from "./status.ts";
import { heldText, OVERDUE_SECONDS, overdueText, writingFor } from "./unwritten.ts";
import { conflictFinding, failureFinding, keepingEdits, withheldFinding } from "./write-back.ts";
import type { FailedWrite } from "./writing.ts";

/** Seconds after which an HSM that could not be read is tried again, where the agent gives no advice. */
const RETRY_SECONDS = 15;
/** Seconds after which a path that holds nothing is looked at again: somebody is probably about to write it. */
const MISSING_SECONDS = 60;

/** What a sync decided: the children of the answer, what was found out, and when to look again (seconds). */
export interface Decision {
  readonly children: readonly SecretChild[];
  readonly finding: Finding;
  readonly after?: number;
}

/** Everything that a step of the decision looks at. */
export interface Situation {
  readonly parent: HSMSecret;
  readonly spec: ResolvedSpec;
  readonly observed: Observed;
  readonly secretChecksum: string | null;
  readonly verdict: Verdict;
  readonly checksums: KeyedChecksums;
  /** RFC 3339. */
  readonly now: string;
}

/** Leaves the data of every Secret as it is and says why. */
const leaveAlone = (
  { spec, observed, secretChecksum }: Situation,
  finding: Omit<Finding, "secretChecksum">,
  after = spec.syncInterval,
): Decision => ({
  children: secretsOf(observed).map((secret) => relisted(spec, secret)),
  finding: {
    ...finding,
    secretChecksum,
    ...(observed.owned === undefined ? { secretName: null } : {}),
  },
  after,
});

const unavailable = (
  situation: Situation,
  reading: Extract<Reading, { outcome: "unavailable" }>,
): Decision => {
  const { spec, observed } = situation;
  const kept =
    observed.owned === undefined
      ? "There is no Secret; it is made as soon as the HSM can be read."
      : "The Secret is kept as it is.";
  return leaveAlone(
    situation,
    {
      // That the token can't be read passes by itself; a label that can't be a key has to be mended.
      reason: reading.code === "LABEL_INVALID" ? "InvalidKey" : "HSMUnavailable",
      message: `${reading.code}: ${reading.message} ${kept}`,
      syncStatus: observed.owned === undefined ? "Pending" : "Error",
    },
    Math.min(spec.syncInterval, Math.max(1, Math.min(60, reading.retryAfterSeconds ?? RETRY_SECONDS))),
  );
};

const absent = (
  situation: Situation,
  reading: Extract<Reading, { outcome: "absent" }>,
  obeyed: Pair | undefined,
): Decision => {
  const { spec, observed, checksums } = situation;
  const finding = {
    reason: "ObjectNotFound" as const,
    syncStatus: "OutOfSync" as const,
    ...learnedFrom(reading),
  };
  const after = Math.min(spec.syncInterval, MISSING_SECONDS);
  const nothing = `The token of ${reading.device} holds nothing at ${spec.hsmPath}.`;
  if (spec.onMissing === "Retain" || secretsOf(observed).length === 0) {
    const kept =
      observed.owned === undefined
        ? "Write the secret there, or correct spec.hsmPath."
        : "The Secret is kept with what it holds (spec.onMissing: Retain). Write the secret there, correct spec.hsmPath, or delete this HSMSecret.";
    const syncStatus = observed.owned === undefined ? "Pending" : "OutOfSync";
    const left = leaveAlone(situation, { ...finding, message: `${nothing} ${kept}`, syncStatus }, after);
    if (obeyed === undefined || observed.owned === undefined) return left;
    // The user has accepted that the token holds nothing: from here on, what the Secret holds is no edit.
    return { ...left, children: [accepted(spec, checksums, observed.owned), ...left.children.slice(1)] };
  }
  return {
    children: [],
    finding: {
      ...finding,
      message: `${nothing} The Secret is removed (spec.onMissing: Delete).`,
      secretChecksum: null,
      secretName: null,
    },
    after,
  };
};

/** Lists the Secret with `data`, and says whether it is there already. */
const present = (
  situation: Situation,
  data: StringMap,
  reading?: Extract<Reading, { outcome: "found" | "unchanged" }>,
): Decision => {
  const learned: Learned = reading === undefined ? {} : learnedFrom(reading);
  const found = reading?.outcome === "found" ? reading : undefined;
  const { now, parent, spec, observed, secretChecksum, checksums } = situation;
  const { namespace } = parent.metadata;
  const before = previousStatus(parent);
  const secret = observed.owned ?? observed.foreign;
  const name = `${namespace}/${spec.secretName}`;
  const type = secret?.type ?? "Opaque";
  if (secret !== undefined && type !== spec.secretType) {
    return leaveAlone(situation, {
      ...learned,
      reason: "TypeImmutable",
      message: `spec.secretType is ${spec.secretType}, but the Secret ${spec.secretName} has type ${type}, which Kubernetes can't change. Set spec.secretType to ${type}, or delete the Secret: it is made anew.`,
      syncStatus: "OutOfSync",
    });
  }
  const held = secret && heldText(secret);
  if (held !== undefined) {
    return leaveAlone(situation, { ...learned, reason: "Conflict", message: held, syncStatus: "OutOfSync" });
  }
  const child = secretChild(spec, namespace, data, spec.secretType, observed.owned);
  const applied = marked(child, found && appliedText(spec, found));
  const misled =
    spec.writeBack !== "Never" && observed.owned && isMisleading(observed.owned, found?.source, data);
  if (isApplied(child, observed.owned) && !misled) {
    return {
      children: [agreed(spec, checksums, child, applied, observed.owned)],
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
    };
  }
  if (secret?.immutable === true) {
    return leaveAlone(situation, {
      ...learned,
      reason: "Conflict",
      message: `The Secret ${spec.secretName} is immutable and differs from the token. Delete it: it is made anew.`,
      syncStatus: "OutOfSync",
    });
  }
  // Either it is not as it was last seen, or neither the token nor the spec has changed since.
  const edited =
    observed.owned !== undefined &&
    before.syncStatus === "InSync" &&
    (!isShownAs(before.secretChecksum, secretChecksum, checksums) ||
      (before.observedGeneration === parent.metadata.generation &&
        (found === undefined || checksums.fits(before.hsmChecksum, found.checksum))));
  const waited = writingFor(before, now);
  const overdue = waited >= OVERDUE_SECONDS;
  return {
    // Secrets of an earlier secretName go only after the one of the new name is there.
    children: [
      observed.owned === undefined
        ? creating(spec, checksums, applied)
        : replacing(spec, checksums, applied, observed.owned),
      ...observed.stale.map((stale) => relisted(spec, stale)),
    ],
    finding: {
      ...learned,
      reason: "Applying",
      message: overdue
        ? overdueText(parent, spec.secretName)
        : edited
          ? `The Secret ${name} was changed by somebody and is being put right.`
          : `The Secret ${name} is being written.`,
      ...(overdue ? { overdue } : {}),
      syncStatus:
        before.syncStatus === undefined || before.syncStatus === "Pending" ? "Pending" : "OutOfSync",
      secretChecksum,
      secretName: spec.secretName,
    },
    after: overdue ? spec.syncInterval : Math.min(spec.syncInterval, OVERDUE_SECONDS - waited),
  };
};

/** Without a reading, because autoSync is off and nothing asks for one. */
const unread = (situation: Situation): Decision => {
  const { parent, spec, observed, secretChecksum, checksums } = situation;
  const before = previousStatus(parent);
  const reason = readyReason(before);
  const intact = observed.owned === undefined || isAgreed(spec, observed.owned, checksums);
  if (isShownAs(before.secretChecksum, secretChecksum, checksums) && reason === "Synced" && intact) {
    return present(situation, observed.owned?.data ?? {});
  }
  if (before.syncStatus === "InSync" || reason === "Drifted") {
    return leaveAlone(situation, {
      reason: "Drifted",
      message: `The Secret was changed by somebody and spec.autoSync is false. To ${spec.writeBack === "Never" ? "put it right" : "write it to the token"}, set the annotation ${FORCE_SYNC} to a new value.`,
      syncStatus: "OutOfSync",
    });
  }
  return leaveAlone(situation, {
    reason: reason ?? "Drifted",
    message: before.lastError ?? "The token has not been read.",
    syncStatus: before.syncStatus ?? "Pending",
  });
};

/** What follows where the token's content counts. */
const following = (situation: Situation, reading: Reading, obeyed: Pair | undefined): Decision => {
  const { spec, observed } = situation;
  switch (reading.outcome) {
    case "unavailable":
      return unavailable(situation, reading);
    case "absent":
      return absent(situation, reading, obeyed);
    case "unchanged":
      return present(situation, observed.owned?.data ?? {}, reading);
    case "found": {
      const content = contentOf(spec, reading.data);
      return content.ok
        ? present(situation, content.data, reading)
        : leaveAlone(situation, { ...learnedFrom(reading), ...content, syncStatus: "Error" });
    }
  }
};

const NOT_TRIED: FailedWrite = {
  outcome: "unavailable",
  code: "TIMEOUT",
  message: "The write was not tried.",
};

/**
 * Decides what `reading` means for the Secret; undefined is a sync that did not ask the token. `failure` is
 * what came of the write that the verdict asks for, where it is not known to have succeeded.
 */
export const decide = (
  situation: Situation,
  context: HookContext,
  reading: Reading | undefined,
  failure: FailedWrite = NOT_TRIED,
): Decision => {
  const { parent, spec, observed, verdict } = situation;
  const refusal = refusalOf(parent, spec, observed, context.policy);
  if (refusal !== undefined) return leaveAlone(situation, { ...refusal, syncStatus: "Error" });
  if (reading === undefined) return unread(situation);
  const learned = learnedFrom(reading);
  switch (verdict.verdict) {
    case "token": {
      const decision = keepingEdits(situation, following(situation, reading, verdict.obeyed));
      // While it is being obeyed the conflict stays in the status, for the choice is bound to it.
      const conflict = verdict.obeyed ?? (reading.outcome === "unavailable" ? undefined : null);
      return conflict === undefined ? decision : { ...decision, finding: { ...decision.finding, conflict } };
    }
    case "conflict":
      return leaveAlone(situation, {
        ...learned,
        ...conflictFinding(parent, spec, verdict, context.checksums),
      });
    case "withheld":
      return leaveAlone(situation, { ...learned, ...withheldFinding(parent, spec, verdict) });
    case "write": {
      const { after, ...finding } = failureFinding(spec, verdict, failure);
      return leaveAlone(situation, { ...learned, ...finding }, Math.min(spec.syncInterval, after));
    }
  }
};
