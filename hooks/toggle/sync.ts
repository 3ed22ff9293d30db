// SPDX-License-Identifier: Apache-2.0
// The sync hook: from the observed Toggle and its Deployment to the Deployment's replicas.
import type { HookEvent } from "../hook-event.ts";
import type { SyncResponse } from "../metacontroller.ts";
import { type DeploymentChild, made, relisted, scaled } from "./child.ts";
import { contentionOf } from "./contention.ts";
import { type Count, countOf } from "./count.ts";
import { type Deployment, MADE_BY } from "./deployment.ts";
import { type Named, type Observed, observe } from "./observed.ts";
import { type PhaseFound, phaseOf } from "./phase.ts";
import { type ResolvedSpec, resolveSpec } from "./resolved-spec.ts";
import type { Phase, Toggle, ToggleStatus, ToggleSyncRequest } from "./schema.ts";
import { type Finding, nextStatus, previousStatus } from "./status.ts";

/** What beside the request decides. */
export interface HookContext {
  /** The time, as RFC 3339. */
  readonly now: string;
  /** Whether this installation lets a Toggle make pods of its spec.template. */
  readonly templates: boolean;
}

export interface SyncResult {
  readonly response: SyncResponse;
  readonly events: readonly HookEvent[];
  /** The phase, for logs and metrics. */
  readonly outcome: Phase;
}

/** Seconds after which an adoption that is under way is looked at again. */
const ADOPTION_SECONDS = 5;
/** Seconds after which a template that is not allowed is looked at again: no event tells that the installation allows it now. */
const FORBIDDEN_SECONDS = 300;
/** The longest wait for spec.until, in seconds; Metacontroller counts in nanoseconds, and far dates overflow. */
const MAX_WAIT_SECONDS = 86_400;

/** What a sync decided: the named Deployment as the answer lists it, if it does, and what was found out. */
interface Decision {
  readonly child?: DeploymentChild;
  readonly finding: Finding;
  /** Seconds until the next sync, beside what spec.until asks for. */
  readonly after?: number;
}

/** Everything that a step of the decision looks at. */
interface Situation {
  readonly parent: Toggle;
  readonly spec: ResolvedSpec;
  readonly observed: Observed;
  readonly before: ToggleStatus;
  readonly templates: boolean;
  /** RFC 3339. */
  readonly now: string;
}

const selectorText = ({ matchLabels }: ResolvedSpec): string =>
  Object.entries(matchLabels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");

/** Names for a message: all of a few, a few of many. */
export const namesOf = (deployments: readonly Deployment[]): string => {
  const names = deployments.map(({ metadata }) => metadata.name);
  return names.length > 5 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ");
};

/** What to say of the Deployments that the selector matches beside the named one. */
const othersText = ({ observed, spec }: Situation): string | undefined => {
  const others = observed.others.filter(({ metadata }) => metadata.name !== spec.deploymentName);
  return others.length === 0
    ? undefined
    : `The selector ${selectorText(spec)} also matches ${namesOf(others)}, which this Toggle holds but does not switch. Narrow spec.selector.`;
};

/** The count of a Deployment that can't be scaled now; none is wanted where nobody has switched yet. */
const desiredOfAbsent = ({ spec, before }: Situation): { desired?: number } =>
  spec.switched ? { desired: countOf(spec, before, undefined).desired } : {};

const refused = (
  situation: Situation,
  phase: "Missing" | "Conflict" | "Blocked",
  message: string,
): Decision => ({
  finding: {
    phase,
    message,
    stuck: true,
    ...desiredOfAbsent(situation),
    ...(phase === "Conflict" ? {} : { deployment: null }),
  },
});

const NOT_ALLOWED = "this installation does not allow templates (TOGGLE_TEMPLATES of the webhook)";

/** A template that is not allowed: nothing is made of it, and a Deployment that was made of it before stays as it is. */
const forbidden = (situation: Situation, deployment: Deployment | undefined): Decision => {
  const { parent, spec, before } = situation;
  const instead = `Take spec.template out, and make the Deployment ${spec.deploymentName} yourself.`;
  if (deployment === undefined) {
    const message = `spec.template is not used: ${NOT_ALLOWED}. ${instead}`;
    return { ...refused(situation, "Blocked", message), after: FORBIDDEN_SECONDS };
  }
  return {
    child: relisted(parent, spec, deployment),
    finding: {
      phase: "Blocked",
      message: `The Deployment ${spec.deploymentName} stays as it is: it was made of spec.template, and ${NOT_ALLOWED}. Take spec.template out, and it is switched again.`,
      stuck: true,
      desired: countOf(spec, before, deployment).desired,
      deployment,
    },
    after: FORBIDDEN_SECONDS,
  };
};

const conflict = (situation: Situation, named: Extract<Named, { state: "foreign" }>): Decision => {
  const { spec } = situation;
  const name = spec.deploymentName;
  return refused(
    situation,
    "Conflict",
    named.owner === undefined
      ? `The Deployment ${name} exists without the labels of spec.selector (${selectorText(spec)}). Correct the selector or the labels, or choose another spec.deploymentName.`
      : `The Deployment ${name} belongs to ${named.owner}. Delete that, or choose another spec.deploymentName.`,
  );
};

const missing = (situation: Situation): Decision => {
  const { spec, observed } = situation;
  const name = spec.deploymentName;
  return refused(
    situation,
    "Missing",
    spec.templateFault !== undefined
      ? `There is no Deployment ${name}, and none is made.`
      : observed.others.length === 0
        ? `There is no Deployment ${name}. Make it with the labels ${selectorText(spec)}, or correct spec.deploymentName.`
        : `There is no Deployment ${name}. Set spec.deploymentName to one that the selector matches.`,
  );
};

/** Of a Deployment that is there but can't be scaled now: counts it, and waits. */
const waiting = (situation: Situation, deployment: Deployment, message: string): Decision => {
  const { spec, before } = situation;
  const { desired } = countOf(spec, before, deployment);
  const phase = desired === 0 ? "Stopping" : "Starting";
  return {
    finding: { phase, message, stuck: false, desired, deployment },
    after: ADOPTION_SECONDS,
  };
};

const remembering = (spec: ResolvedSpec, { remembered }: Count): Pick<Finding, "remembered"> => ({
  remembered: {
    deploymentName: spec.deploymentName,
    ...(remembered === undefined ? {} : { lastReplicas: remembered }),
  },
});

/** While something else scales it again and again, the phase of one moment is not that of the next. */
const fought = ({ desired }: Count, message: string): PhaseFound => ({
  phase: desired === 0 ? "Stopping" : "Degraded",
  message,
  stuck: true,
});

/** What of the spec explains the count, with a space before it. */
const whyText = (spec: ResolvedSpec): string => {
  if (spec.expired) return ` It is off since ${spec.until} (spec.until).`;
  return spec.switched ? "" : " It has not been switched yet: spec.enabled is not set.";
};

const switched = (situation: Situation, deployment: Deployment): Decision => {
  const { parent, spec, before, now, templates } = situation;
  const isMade = deployment.metadata.annotations?.[MADE_BY] !== undefined;
  if (spec.template !== undefined && isMade && !templates) return forbidden(situation, deployment);
  const count = countOf(spec, before, deployment);
  const found = contentionOf(parent, spec, before, deployment, count.desired, now);
  const { going, after, putBack, ...contention } = found;
  const seen = phaseOf(deployment, count.desired, before);
  const { phase, message, stuck } = going ? fought(count, contention.contended ?? seen.message) : seen;
  const advice = templates ? "Delete it, and the Toggle makes its own." : `Besides, ${NOT_ALLOWED}.`;
  return {
    child: scaled(parent, spec, deployment, count, putBack),
    finding: {
      phase,
      message: `${message}${whyText(spec)}`,
      stuck,
      desired: count.desired,
      deployment,
      ...contention,
      ...remembering(spec, count),
      ...(spec.template === undefined || isMade
        ? {}
        : {
            templateUnused: `spec.template is not used: the Deployment ${spec.deploymentName} was there before. ${advice}`,
          }),
    },
    ...(after === undefined ? {} : { after }),
  };
};

const making = (situation: Situation, template: NonNullable<ResolvedSpec["template"]>): Decision => {
  const { parent, spec, before, templates } = situation;
  if (!templates) return forbidden(situation, undefined);
  const count = countOf(spec, before, undefined);
  return {
    child: made(parent, spec, template, count),
    finding: {
      phase: spec.on ? "Starting" : "Stopping",
      message: `The Deployment ${spec.deploymentName} is being made. If that lasts, kubectl describe shows why.`,
      stuck: false,
      desired: count.desired,
      deployment: null,
    },
  };
};

const decide = (situation: Situation): Decision => {
  const { spec, observed } = situation;
  const { named } = observed;
  switch (named.state) {
    case "ours":
      return switched(situation, named.deployment);
    case "foreign":
      return conflict(situation, named);
    case "unclaimed":
      return waiting(situation, named.deployment, `The Deployment ${spec.deploymentName} is being adopted.`);
    case "leaving":
      return {
        finding: {
          phase: "Missing",
          message: `The Deployment ${spec.deploymentName} is being deleted.`,
          stuck: false,
          ...desiredOfAbsent(situation),
          deployment: named.deployment,
        },
      };
    case "absent":
      return spec.template === undefined ? missing(situation) : making(situation, spec.template);
    case "unknown":
      if (spec.template === undefined) return missing(situation);
      return !situation.templates
        ? forbidden(situation, undefined)
        : refused(
            situation,
            "Conflict",
            "The CompositeController has no customize hook, so it can't be told whether the Deployment is there already. Install it as in manifests/.",
          );
  }
};

/** Phases that tell of something wrong; their events repeat when the words change. */
const WRONG: ReadonlySet<Phase> = new Set(["Degraded", "Missing", "Conflict", "Blocked"]);

/** The events of a sync: one where the phase changed, none where nothing happened. */
export const eventsOf = (before: ToggleStatus, { phase, message, stuck }: Finding): HookEvent[] => {
  const last = before.conditions?.find(({ type }) => type === "Ready");
  if (before.phase === phase && (!stuck || last?.message === message)) return [];
  return [{ type: WRONG.has(phase) ? "Warning" : "Normal", reason: phase, message }];
};

const resyncAfter = (spec: ResolvedSpec, after: number | undefined): { resyncAfterSeconds?: number } => {
  const left = spec.secondsLeft === undefined ? Infinity : Math.max(1, Math.ceil(spec.secondsLeft));
  const seconds = Math.min(left, after ?? Infinity);
  return seconds === Infinity ? {} : { resyncAfterSeconds: Math.min(seconds, MAX_WAIT_SECONDS) };
};

/** The sync hook. The same arguments give the same bytes. */
export const sync = (request: ToggleSyncRequest, context: HookContext): SyncResult => {
  const { parent } = request;
  const spec = resolveSpec(parent, context.now);
  const observed = observe(request, spec);
  const before = previousStatus(parent);
  const situation = { parent, spec, observed, before, templates: context.templates, now: context.now };
  const { child, finding, after } = decide(situation);
  const others = othersText(situation);
  const { templateFault } = spec;
  const full = {
    ...finding,
    ...(others === undefined ? {} : { others }),
    ...(templateFault === undefined ? {} : { templateFault }),
  };
  return {
    response: {
      status: nextStatus(parent, full, context.now),
      // Metacontroller deletes a child that an answer leaves out.
      children: [
        ...(child === undefined ? [] : [child]),
        ...observed.others.map((other) => relisted(parent, spec, other)),
      ],
      ...resyncAfter(spec, after),
    },
    events: eventsOf(before, finding),
    outcome: finding.phase,
  };
};
