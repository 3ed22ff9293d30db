// SPDX-License-Identifier: Apache-2.0
// The decision of a sync: which Secrets the answer lists and what the status shall say, for each outcome of the reading.
import { baseOf } from "./base.ts";
import { accepted, remembering } from "./child.ts";
import { contentOf } from "./content.ts";
import type { HookContext } from "./context.ts";
import { type Decision, leaveAlone, type Situation } from "./decision.ts";
import type { Pair } from "./judge.ts";
import { secretsOf } from "./observed.ts";
import { isAgreed, refusalOf } from "./plan.ts";
import { present } from "./present.ts";
import type { Reading } from "./reading.ts";
import { FORCE_SYNC } from "./schema.ts";
import { isShownAs, learnedFrom, previousStatus, readyReason } from "./status.ts";
import { conflictFinding, failureFinding, keepingEdits, withheldFinding } from "./write-back.ts";
import type { FailedWrite } from "./writing.ts";

/** Seconds after which an HSM that could not be read is tried again, where the agent gives no advice. */
const RETRY_SECONDS = 15;
/** Seconds after which a path that holds nothing is looked at again: somebody is probably about to write it. */
const MISSING_SECONDS = 60;

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

/**
 * `decision`, which leaves an edited Secret as it is, with the base that the edit took away: the next status vouches for nothing
 * any more.
 */
const keepingBase = ({ parent, spec, observed, verdict }: Situation, decision: Decision): Decision => {
  const { owned } = observed;
  const { secretChecksum } = previousStatus(parent);
  const isChosen = "obeyed" in verdict;
  if (owned === undefined || baseOf(owned) !== undefined || secretChecksum === undefined || isChosen) {
    return decision;
  }
  return { ...decision, children: [remembering(spec, owned, secretChecksum), ...decision.children.slice(1)] };
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
      return keepingBase(
        situation,
        leaveAlone(situation, { ...learned, ...withheldFinding(parent, spec, verdict) }),
      );
    case "write": {
      const { after, ...finding } = failureFinding(spec, verdict, failure);
      return keepingBase(
        situation,
        leaveAlone(situation, { ...learned, ...finding }, Math.min(spec.syncInterval, after)),
      );
    }
  }
};
