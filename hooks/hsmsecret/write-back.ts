// SPDX-License-Identifier: Apache-2.0
// Derives the status of write-back: conflicts and how to resolve them, failed writes, and writes that are not tried.
import { remedyOf } from "../error-codes.ts";
import type { Assessment } from "./assessment.ts";
import { type ConflictCause, resolutionFor, type Verdict, type Withheld } from "./judge.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import { RESOLVE } from "./schema.ts";
import type { Finding } from "./status.ts";
import type { FailedWrite, Write } from "./token-write.ts";

type Found = Pick<Finding, "reason" | "message" | "syncStatus" | "conflict" | "stalled">;
type Of<V extends Verdict["verdict"]> = Extract<Verdict, { verdict: V }>;

/** Seconds after which a write is tried again whose outcome is not known, where the agent gives no advice. */
const RETRY_SECONDS = 15;
/** Seconds after which the token is read again that changed between reading and write. */
const CHANGED_SECONDS = 2;

const CAUSES: Readonly<Record<ConflictCause, string>> = {
  both: "The Secret and the token have both changed since they were last the same",
  absent: "The Secret has changed and the token holds nothing there",
  diverged:
    "The primary of the set of HSMs does not know of what the Secret holds: the one before it took that and failed before a mirror had it",
  unknown:
    "The Secret differs from the token, and what they last had in common is not known (writeBack, hsmPath, device or data of the spec is new, or the annotation hsm.j5t.io/base is gone)",
};

/** Where the lost write lies on the token of the former primary, it is decided for all HSMSecrets of the path. */
const divergedAdvice = ({ spec }: Assessment, annotate: string): string => {
  const both = spec.writeBack === "Never" ? "" : `${RESOLVE}=secret writes the Secret to the primary, `;
  return `Once the former primary is back, kubectl hsm mirror diff shows the two, and kubectl hsm mirror resolve ${spec.hsmPath} --keep ID chooses one. Without it: ${annotate} ${both}${RESOLVE}=hsm follows the primary.`;
};

/** How to choose, or what is wrong with the choice that was made. */
const adviceOf = (assessment: Assessment, { cause, pair }: Of<"conflict">): string => {
  const { parent } = assessment;
  const { name, namespace } = parent.metadata;
  const annotate = `kubectl annotate hsmsecret -n ${namespace} ${name}`;
  const choose =
    cause === "diverged"
      ? divergedAdvice(assessment, annotate)
      : `${annotate} ${RESOLVE}=secret writes the Secret to the token, ${RESOLVE}=hsm follows the token.`;
  const choice = parent.metadata.annotations?.[RESOLVE];
  if (choice === undefined) return choose;
  if (choice !== "hsm" && choice !== "secret") {
    return `The annotation ${RESOLVE} must be hsm or secret. ${choose}`;
  }
  if (resolutionFor(assessment, pair) !== undefined) return choose;
  return `The annotation ${RESOLVE}=${choice} is older than this conflict and does not resolve it: remove it (${annotate} ${RESOLVE}-), then choose. ${choose}`;
};

/** The finding of a conflict: nothing is written, on either side. */
export const conflictFinding = (assessment: Assessment, conflict: Of<"conflict">): Found => {
  const { cause, pair } = conflict;
  const { secretName, hsmPath } = assessment.spec;
  return {
    reason: "Conflict",
    message: `${CAUSES[cause]} (Secret ${secretName}, path ${hsmPath}). Neither is overwritten. ${adviceOf(assessment, conflict)}`,
    syncStatus: "OutOfSync",
    conflict: pair,
  };
};

const withheldText = ({ parent, spec }: Assessment, withheld: Withheld): string => {
  const { namespace } = parent.metadata;
  switch (withheld.why) {
    case "forbidden":
      return `Namespace ${namespace} may not write ${spec.hsmPath}. Ask whoever runs Keyswitch for a rule with write: true in the path policy, or set spec.writeBack to Never: the Secret is then put back.`;
    case "empty":
      return `The Secret ${spec.secretName} holds no key that could be written, and an empty secret is not. Give it its keys, or delete it: it is made anew from the token.`;
    case "incomplete":
      return `The Secret ${spec.secretName} lacks ${withheld.keys.map((key) => JSON.stringify(key)).join(", ")}, which spec.data asks for and the token does not have. Give it these keys.`;
    case "member":
      return `Only ${withheld.who} answered, which is not the primary of its set, and nothing is written there. The write waits for the primary.`;
    case "mirror":
      return `Only ${withheld.device} answered, which is not the first of the agents, and nothing is written there. The write waits for the first.`;
    case "ambiguous":
      return `The keys ${withheld.keys.map((key) => JSON.stringify(key)).join(" and ")} of the Secret ${spec.secretName} stand for one key of the token (spec.data) and were given different values. Give them the same value.`;
  }
};

/** The finding where the Secret's content would count but is not written. */
export const withheldFinding = (assessment: Assessment, { why, obeyed }: Of<"withheld">): Found => ({
  reason: why.why === "ambiguous" ? "Conflict" : "WriteBackFailed",
  message: `${withheldText(assessment, why)} The Secret is kept as it is.`,
  syncStatus: "OutOfSync",
  conflict: obeyed ?? null,
  ...(why.why !== "mirror" && why.why !== "member" && { stalled: true }),
});

/** When a write that takes longer than a hook is looked at again. */
const PENDING_SECONDS = 5;

/** Why the write is not known to have succeeded, in words, and when to try again (seconds). */
const failureOf = (
  spec: ResolvedSpec,
  { device, path }: Write,
  failure: Exclude<FailedWrite, { outcome: "pending" }>,
): { words: string; after: number } => {
  switch (failure.outcome) {
    case "refused": {
      const remedy = remedyOf(failure.code);
      const words = `${failure.code}: ${failure.message}${remedy === undefined ? "" : ` ${remedy}`}`;
      return { words, after: spec.syncInterval };
    }
    case "unavailable":
      return {
        words: `${failure.code}: ${failure.message} Whether the token of ${device} has it shows at the next reading.`,
        after: Math.max(1, Math.min(60, failure.retryAfterSeconds ?? RETRY_SECONDS)),
      };
    case "precondition":
      return {
        words: `PRECONDITION_FAILED: ${path} changed on the token of ${device} while the Secret was about to be written there. It is read again.`,
        after: CHANGED_SECONDS,
      };
  }
};

/** The finding after a write that is not known to have succeeded, and when to try again (seconds). */
export const failureFinding = (
  spec: ResolvedSpec,
  { write, obeyed }: Of<"write">,
  failure: FailedWrite,
): Found & { after: number } => {
  const kept = "The Secret is kept as it is.";
  const conflict = obeyed ?? null;
  if (failure.outcome === "pending") {
    return {
      reason: "Applying",
      message: `The Secret ${spec.secretName} is being written to the token of ${write.device}, which takes longer than a hook may. Whether the token has it shows at the next reading. ${kept}`,
      syncStatus: "Pending",
      conflict,
      after: PENDING_SECONDS,
    };
  }
  const { words, after } = failureOf(spec, write, failure);
  return {
    reason: "WriteBackFailed",
    message: `${words} ${kept}`,
    syncStatus: "OutOfSync",
    conflict,
    ...(failure.outcome === "refused" && { stalled: true }),
    after,
  };
};

/** What happened, for the event of a write that succeeded. */
export const writtenText = (spec: ResolvedSpec, { device, path, method, data }: Write): string => {
  const keys = Object.keys(data).length;
  return `The Secret ${spec.secretName} was written to the token of ${device} at ${path} (${keys} ${keys === 1 ? "key" : "keys"}${method === "patch" ? " of its mapping" : ""}).`;
};
