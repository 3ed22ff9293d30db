// SPDX-License-Identifier: Apache-2.0
// Decides for each state of the named Deployment how the response lists it and what the status reports.
import type { Assessment } from "./assessment.ts";
import { type DeploymentChild, newChild, relisted, scaledChild } from "./child.ts";
import { type Contention, contentionOf } from "./contention.ts";
import { type Deployment, MADE_BY, replicasOf } from "./deployment.ts";
import { cycleFault, holdOf } from "./hold.ts";
import type { Named } from "./observed.ts";
import { type PhaseFound, phaseOf } from "./phase.ts";
import { type Followed, follow, soonest } from "./progress.ts";
import { type Count, countOf } from "./replica-count.ts";
import { type ResolvedSpec, selectorText } from "./resolved-spec.ts";
import { phaseOfRestart } from "./restart.ts";
import type { Finding } from "./status.ts";

/** Seconds after which an adoption that is under way is looked at again. */
const ADOPTION_SECONDS = 5;
/** Seconds after which a template that is not allowed is looked at again: no event tells that the installation allows it now. */
const FORBIDDEN_SECONDS = 300;

/** What a sync decided: the named Deployment as the answer lists it, if it does, and what was found out. */
export interface Decision {
  readonly child?: DeploymentChild;
  readonly finding: Finding;
  /** Seconds until the next sync, beside what spec.until asks for. */
  readonly after?: number;
}

/** The count of a Deployment that can't be scaled now; none is wanted where nobody has switched yet. */
const desiredOfAbsent = (assessment: Assessment): { desired?: number } =>
  assessment.spec.switched ? { desired: countOf(assessment, undefined).desired } : {};

const refused = (
  assessment: Assessment,
  phase: "Missing" | "Conflict" | "Blocked",
  message: string,
): Decision => ({
  finding: {
    phase,
    message,
    stuck: true,
    ...desiredOfAbsent(assessment),
    ...(phase !== "Conflict" && { deployment: null }),
  },
});

const NOT_ALLOWED = "this installation does not allow templates (TOGGLE_TEMPLATES of the webhook)";

/** A template that is not allowed: nothing is made of it, and a Deployment that was made of it before stays as it is. */
const forbidden = (assessment: Assessment, deployment: Deployment | undefined): Decision => {
  const { parent, spec, links } = assessment;
  const instead = `Take spec.template out, and make the Deployment ${spec.deploymentName} yourself.`;
  if (deployment === undefined) {
    const message = `spec.template is not used: ${NOT_ALLOWED}. ${instead}`;
    return { ...refused(assessment, "Blocked", message), after: FORBIDDEN_SECONDS };
  }
  return {
    child: relisted(parent, spec, deployment, links.labels),
    finding: {
      phase: "Blocked",
      message: `The ${spec.workload} stays as it is: it was made of spec.template, and ${NOT_ALLOWED}. Take spec.template out, and it is switched again.`,
      stuck: true,
      desired: countOf(assessment, deployment).desired,
      deployment,
    },
    after: FORBIDDEN_SECONDS,
  };
};

/** The field that names what is switched. */
const nameField = ({ parent }: Assessment): string =>
  parent.spec.targetRef === undefined ? "spec.deploymentName" : "spec.targetRef.name";

const conflict = (assessment: Assessment, named: Extract<Named, { kind: "foreign" }>): Decision => {
  const { spec } = assessment;
  const [name, field] = [spec.workload, nameField(assessment)];
  return refused(
    assessment,
    "Conflict",
    named.owner === undefined
      ? `The ${name} exists without the labels of spec.selector (${selectorText(spec)}). Correct the selector or the labels, or choose another ${field}.`
      : `The ${name} belongs to ${named.owner}. Delete that, or choose another ${field}.`,
  );
};

const missing = (assessment: Assessment): Decision => {
  const { spec, observed } = assessment;
  const [name, field] = [spec.workload, nameField(assessment)];
  return refused(
    assessment,
    "Missing",
    spec.templateFault !== undefined
      ? `There is no ${name}, and none is made.`
      : observed.others.length === 0
        ? `There is no ${name}. Make it with the labels ${selectorText(spec)}, or correct ${field}.`
        : `There is no ${name}. Set ${field} to one that the selector matches.`,
  );
};

/** Of a Deployment that is there but can't be scaled now: counts it, and waits. */
const waiting = (assessment: Assessment, deployment: Deployment, message: string): Decision => {
  const { desired } = countOf(assessment, deployment);
  const phase = desired === 0 ? "Stopping" : "Starting";
  const { after: _, ...found } = follow(
    assessment,
    { deployment, desired },
    { phase, message, stuck: false },
  );
  return { finding: { ...found, desired, deployment }, after: ADOPTION_SECONDS };
};

const remembering = (spec: ResolvedSpec, { remembered }: Count): Pick<Finding, "remembered"> => ({
  remembered: {
    deploymentName: spec.target,
    ...(remembered !== undefined && { lastReplicas: remembered }),
  },
});

/** While something else scales it again and again, the phase of one moment is not that of the next. */
const fought = ({ desired }: Count, message: string): PhaseFound => ({
  phase: desired === 0 ? "Stopping" : "Degraded",
  message,
  stuck: true,
});

/** Whoever waits for other Toggles puts no count back. */
const UNCONTENDED: Contention = { going: false };

/** What of the spec explains the count, with a space before it. */
const whyText = (spec: ResolvedSpec): string => {
  const { decidedBy, nextChange, hasSchedule, on } = spec;
  const end = hasSchedule && nextChange !== undefined ? ` until ${nextChange.time}` : "";
  if (decidedBy === "Until") return ` It is off since ${spec.until} (spec.until)${end}.`;
  if (decidedBy === undefined) return " It has not been switched yet: spec.enabled is not set.";
  if (!hasSchedule) return "";
  const state = `has it ${on ? "on" : "off"}${end}`;
  if (decidedBy === "Schedule") return ` spec.schedule ${state}.`;
  const who = decidedBy === "Command" ? "A command" : "spec.enabled";
  return ` ${who} ${state}, whatever spec.schedule says.`;
};

/** A fault of the spec for which nothing may be switched: the Deployment stays as it is, and none is made. */
const faulty = ({ parent, spec, observed, links }: Assessment, fault: string): Decision => {
  const { named } = observed;
  const deployment = named.kind === "ours" ? named.deployment : undefined;
  return {
    ...(deployment !== undefined && { child: relisted(parent, spec, deployment, links.labels) }),
    finding: {
      phase: "Blocked",
      message: `${fault} Until then nothing is switched.`,
      stuck: true,
      ...(deployment !== undefined && { desired: replicasOf(deployment), deployment }),
      ...(named.kind === "absent" && { deployment: null }),
    },
  };
};

const switched = (assessment: Assessment, deployment: Deployment): Decision => {
  const { parent, spec, before, context, links } = assessment;
  const isMade = deployment.metadata.annotations?.[MADE_BY] !== undefined;
  if (spec.template !== undefined && isMade && !context.templates) return forbidden(assessment, deployment);
  const count = countOf(assessment, deployment);
  const hold = holdOf(assessment, deployment, count);
  const { isStopping, waitingFor } = hold ?? {};
  const set = hold?.count ?? count;
  const found = hold === undefined ? contentionOf(assessment, deployment, count.desired) : UNCONTENDED;
  const { going, after, putBack, ...contention } = found;
  const seen =
    phaseOfRestart(parent, deployment, count.desired) ?? phaseOf(deployment, count.desired, before);
  const { desired } = count;
  const followed: Followed = going
    ? fought(count, contention.contended ?? seen.message)
    : (hold?.found ?? follow(assessment, { deployment, desired }, seen));
  const { after: afterStart, ...told } = followed;
  const advice = context.templates ? "Delete it, and the Toggle makes its own." : `Besides, ${NOT_ALLOWED}.`;
  return {
    child: scaledChild(parent, spec, deployment, set, { links: links.labels, putBack, isStopping }),
    finding: {
      ...told,
      message: `${told.message}${whyText(spec)}`,
      desired,
      deployment,
      ...contention,
      ...remembering(spec, set),
      ...(waitingFor !== undefined && { waitingFor }),
      ...(spec.template !== undefined &&
        !isMade && {
          templateUnused: `spec.template is not used: the ${spec.workload} was there before. ${advice}`,
        }),
    },
    ...soonest(after, afterStart),
  };
};

const making = (assessment: Assessment, template: NonNullable<ResolvedSpec["template"]>): Decision => {
  const { parent, spec, context, links } = assessment;
  if (!context.templates) return forbidden(assessment, undefined);
  const count = countOf(assessment, undefined);
  const { desired } = count;
  const hold = holdOf(assessment, undefined, count);
  const { waitingFor } = hold ?? {};
  const { after, ...told }: Followed =
    hold?.found ??
    follow(
      assessment,
      { deployment: undefined, desired },
      {
        phase: spec.on ? "Starting" : "Stopping",
        message: `The ${spec.workload} is being made. If that lasts, kubectl describe shows why.`,
        stuck: false,
      },
    );
  return {
    child: newChild(parent, spec, template, hold?.count ?? count, links.labels),
    finding: { ...told, desired, deployment: null, ...(waitingFor !== undefined && { waitingFor }) },
    ...soonest(after),
  };
};

/** What becomes of the Deployment that the Toggle names. */
export const decide = (assessment: Assessment): Decision => {
  const { spec, observed } = assessment;
  const { named } = observed;
  const fault = spec.scheduleFault ?? assessment.targetFault ?? cycleFault(assessment);
  if (fault !== undefined) return faulty(assessment, fault);
  switch (named.kind) {
    case "ours":
      return switched(assessment, named.deployment);
    case "foreign":
      return conflict(assessment, named);
    case "unclaimed":
      return waiting(assessment, named.deployment, `The ${spec.workload} is being adopted.`);
    case "leaving":
      return {
        finding: {
          phase: "Missing",
          message: `The ${spec.workload} is being deleted.`,
          stuck: false,
          ...desiredOfAbsent(assessment),
          deployment: named.deployment,
        },
      };
    case "absent":
      return spec.template === undefined ? missing(assessment) : making(assessment, spec.template);
    case "unknown":
      if (spec.template === undefined) return missing(assessment);
      return !assessment.context.templates
        ? forbidden(assessment, undefined)
        : refused(
            assessment,
            "Conflict",
            "The CompositeController has no customize hook, so it can't be told whether the Deployment is there already. Install it as in manifests/.",
          );
  }
};
