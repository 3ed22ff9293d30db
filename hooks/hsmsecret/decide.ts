// SPDX-License-Identifier: Apache-2.0
// Decides for each outcome of the reading which Secrets the response lists and what the status reports.
import { checksummed } from "../checksum.ts";
import { isConfirmedByBase } from "./assessment.ts";
import { withAcceptedBase, withRestoredBase } from "./child.ts";
import { type Decision, ensurePresent, leaveAlone, withoutDroppingEdits } from "./decision.ts";
import type { ConflictPair, Judgement } from "./judge.ts";
import { secretsOf } from "./observed.ts";
import { answererName, type Reading } from "./reading.ts";
import { FORCE_SYNC } from "./schema.ts";
import { isSynced, readingFacts, readyReason } from "./status.ts";
import type { FailedWrite } from "./token-write.ts";
import { conflictFinding, failureFinding, withheldFinding } from "./write-back.ts";

/** Seconds after which an HSM that could not be read is tried again, where the agent gives no advice. */
const RETRY_SECONDS = 15;
/** Seconds after which a path that holds nothing is looked at again: somebody is probably about to write it. */
const MISSING_SECONDS = 60;

const unavailable = (
  judgement: Judgement,
  reading: Extract<Reading, { outcome: "unavailable" }>,
): Decision => {
  const { spec, observed } = judgement;
  const kept =
    observed.owned === undefined
      ? "There is no Secret; it is made as soon as the HSM can be read."
      : "The Secret is kept as it is.";
  return leaveAlone(
    judgement,
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
  judgement: Judgement,
  reading: Extract<Reading, { outcome: "absent" }>,
  obeyed: ConflictPair | undefined,
): Decision => {
  const { spec, observed } = judgement;
  const finding = {
    reason: "ObjectNotFound" as const,
    syncStatus: "OutOfSync" as const,
    ...readingFacts(reading),
  };
  const after = Math.min(spec.syncInterval, MISSING_SECONDS);
  const nothing = `The token of ${answererName(reading)} holds nothing at ${spec.hsmPath}.`;
  if (spec.onMissing === "Retain" || secretsOf(observed).length === 0) {
    const kept =
      observed.owned === undefined
        ? "Write the secret there, or correct spec.hsmPath."
        : "The Secret is kept with what it holds (spec.onMissing: Retain). Write the secret there, correct spec.hsmPath, or delete this HSMSecret.";
    const syncStatus = observed.owned === undefined ? "Pending" : "OutOfSync";
    const left = leaveAlone(judgement, { ...finding, message: `${nothing} ${kept}`, syncStatus }, after);
    if (obeyed === undefined || observed.owned === undefined) return left;
    // The user has accepted that the token holds nothing: from here on, what the Secret holds is no edit.
    return { ...left, children: [withAcceptedBase(judgement, observed.owned), ...left.children.slice(1)] };
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

/** Without a reading, because autoSync is off and nothing asks for one. */
const unread = (judgement: Judgement): Decision => {
  const { spec, before, observed, context } = judgement;
  const { owned } = observed;
  const reason = readyReason(before);
  if (
    owned !== undefined &&
    context.checksums.fits(before.secretChecksum, owned.whole.checksum) &&
    isSynced(reason) &&
    isConfirmedByBase(judgement, owned)
  ) {
    return ensurePresent(judgement, owned.whole);
  }
  if (before.syncStatus === "InSync" || reason === "Drifted") {
    return leaveAlone(judgement, {
      reason: "Drifted",
      message: `The Secret was changed by somebody and spec.autoSync is false. To ${spec.writeBack === "Never" ? "put it right" : "write it to the token"}, set the annotation ${FORCE_SYNC} to a new value.`,
      syncStatus: "OutOfSync",
    });
  }
  return leaveAlone(judgement, {
    reason: reason ?? "Drifted",
    message: before.lastError ?? "The token has not been read.",
    syncStatus: before.syncStatus ?? "Pending",
  });
};

/** What follows where the token's content counts. */
const following = (judgement: Judgement, reading: Reading, obeyed: ConflictPair | undefined): Decision => {
  const { content, observed } = judgement;
  switch (reading.outcome) {
    case "unavailable":
      return unavailable(judgement, reading);
    case "absent":
      return absent(judgement, reading, obeyed);
    case "found":
    case "unchanged":
      if (content?.ok === false) {
        return leaveAlone(judgement, { ...readingFacts(reading), ...content, syncStatus: "Error" });
      }
      return ensurePresent(judgement, content?.content ?? observed.owned?.whole ?? checksummed({}));
  }
};

/**
 * `decision`, which leaves an edited Secret as it is, with the base that the edit took away: the next status vouches for nothing
 * any more.
 */
const keepingBase = (judgement: Judgement, decision: Decision): Decision => {
  const { before, observed, verdict } = judgement;
  const { owned } = observed;
  const isChosen = "obeyed" in verdict;
  if (owned === undefined || owned.base !== undefined || before.secretChecksum === undefined || isChosen) {
    return decision;
  }
  return {
    ...decision,
    children: [withRestoredBase(judgement, owned, before.secretChecksum), ...decision.children.slice(1)],
  };
};

const NOT_TRIED: FailedWrite = {
  outcome: "unavailable",
  code: "TIMEOUT",
  message: "The write was not tried.",
};

/**
 * Decides what a judgement means for the Secret. `failure` is what came of the write that it asks for, where that is not
 * known to have succeeded.
 */
export const decide = (judgement: Judgement, failure: FailedWrite = NOT_TRIED): Decision => {
  const { spec, refusal, reading, verdict } = judgement;
  if (refusal !== undefined) return leaveAlone(judgement, { ...refusal, syncStatus: "Error" });
  if (reading === undefined) return unread(judgement);
  const learned = readingFacts(reading);
  switch (verdict.verdict) {
    case "token": {
      const decision = withoutDroppingEdits(judgement, following(judgement, reading, verdict.obeyed));
      // While it is being obeyed the conflict stays in the status, for the choice is bound to it.
      const conflict = verdict.obeyed ?? (reading.outcome === "unavailable" ? undefined : null);
      return conflict === undefined ? decision : { ...decision, finding: { ...decision.finding, conflict } };
    }
    case "conflict":
      return leaveAlone(judgement, { ...learned, ...conflictFinding(judgement, verdict) });
    case "withheld":
      return keepingBase(
        judgement,
        leaveAlone(judgement, { ...learned, ...withheldFinding(judgement, verdict) }),
      );
    case "write": {
      const { after, ...finding } = failureFinding(spec, verdict, failure);
      return keepingBase(
        judgement,
        leaveAlone(judgement, { ...learned, ...finding }, Math.min(spec.syncInterval, after)),
      );
    }
  }
};
