// SPDX-License-Identifier: Apache-2.0
// Reads the status that the last sync of a Toggle left, and builds the next, byte-equal unless something changed.
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { Condition } from "../kubernetes.ts";
import { nextCondition } from "../metadata.ts";
import type { HookContext } from "./context.ts";
import type { Deployment } from "./deployment.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import { type LastScaled, type Phase, type Progress, type Toggle, ToggleStatus } from "./schema.ts";

/** What one sync found out. */
export interface Finding {
  readonly phase: Phase;
  /** In words, with what to do where something is wrong. */
  readonly message: string;
  /** Whether the phase lasts until somebody changes something; kstatus calls that stalled. */
  readonly stuck: boolean;
  readonly desired?: number;
  /** The Deployment whose replicas the status counts; null where there is none. Left out: it is not ours to count. */
  readonly deployment?: Deployment | null;
  /** What is newly remembered, and of which Deployment. */
  readonly remembered?: { readonly lastReplicas?: number; readonly deploymentName: string };
  /** What to say of other Deployments that the selector matches. */
  readonly others?: string;
  /** Why the template is not applied. */
  readonly templateUnused?: string;
  /** What Kubernetes would refuse of the template. */
  readonly templateFault?: string;
  /** Who scales the Deployment against the Toggle. */
  readonly contended?: string;
  readonly lastScaled?: LastScaled;
  /** How far a start has come that is under way. */
  readonly progress?: Progress;
  /** Why the pods are not ready; the message says it too. */
  readonly problem?: string;
  /** Names of the Toggles that it waits for. */
  readonly waitingFor?: readonly string[];
}

const isStatus = TypeCompiler.Compile(ToggleStatus);
const FIELDS = Object.entries(ToggleStatus.properties).map(
  ([name, schema]) => [name, TypeCompiler.Compile(schema)] as const,
);

/**
 * The status that `parent` carries, as far as it is one of ours: a field that is not is left out by itself, so that the
 * remembered count outlives a change of any other field.
 */
export const previousStatus = ({ status = {} }: Toggle): ToggleStatus => {
  const ours = Object.fromEntries(
    FIELDS.flatMap(([name, schema]) =>
      Object.hasOwn(status, name) && schema.Check(status[name]) ? [[name, status[name]]] : [],
    ),
  );
  return isStatus.Check(ours) ? ours : {};
};

/** What the next status is made of beside a finding; an assessment has it. */
export interface StatusInputs {
  readonly parent: Toggle;
  /** The status that the last sync left. */
  readonly before: ToggleStatus;
  readonly context: Pick<HookContext, "now">;
  readonly spec: Pick<ResolvedSpec, "decidedBy" | "nextChange" | "lastSwitch">;
}

/** Whether the Deployment is as it was asked for. */
const isReady = (phase: Phase): boolean => phase === "Off" || phase === "Running";

const conditionsOf = ({ before, context }: StatusInputs, finding: Finding): Condition[] => {
  const { phase, message, stuck, others, templateUnused, templateFault, contended } = finding;
  const condition = (type: string, status: Condition["status"], reason: string, words: string) =>
    nextCondition(before.conditions, context.now, { type, status, reason, message: words });
  const isTrue = (type: string, reason: string, why: string) => condition(type, "True", reason, why);
  const ready = isReady(phase);
  return [
    condition("Ready", ready ? "True" : "False", phase, message),
    ...(ready ? [] : [isTrue(stuck ? "Stalled" : "Reconciling", phase, message)]),
    ...(others === undefined ? [] : [isTrue("SelectorTooWide", "OtherDeployments", others)]),
    ...(templateUnused === undefined ? [] : [isTrue("TemplateUnused", "NotMadeByToggle", templateUnused)]),
    ...(templateFault === undefined ? [] : [isTrue("TemplateUnused", "InvalidTemplate", templateFault)]),
    ...(contended === undefined ? [] : [isTrue("Contended", "ScaledByOthers", contended)]),
  ];
};

/** What decided, and what will change; where the Toggle is held up nothing did, and nothing will. */
const decidedPart = ({ spec }: StatusInputs, { phase }: Finding): Partial<ToggleStatus> => {
  const { decidedBy, nextChange, lastSwitch } = spec;
  const isHeld = phase === "Blocked";
  return {
    ...(!isHeld && decidedBy !== undefined && { decidedBy }),
    ...(!isHeld && nextChange !== undefined && { nextChange }),
    ...(lastSwitch !== undefined && { switched: lastSwitch }),
  };
};

/** The status after `finding`. */
export const nextStatus = (inputs: StatusInputs, finding: Finding): ToggleStatus => {
  const { parent, before } = inputs;
  const { phase, desired, deployment } = finding;
  const parts = [
    finding.message,
    finding.contended,
    finding.others,
    finding.templateUnused,
    finding.templateFault,
  ];
  const message = [...new Set(parts)].filter((part) => part !== undefined).join(" ");
  const remembered = finding.remembered ?? before;
  const counted = deployment?.status ?? {};
  return {
    ...(parent.metadata.generation !== undefined && { observedGeneration: parent.metadata.generation }),
    phase,
    ...(desired !== undefined && { desiredReplicas: desired }),
    ...(deployment !== undefined && {
      replicas: counted.replicas ?? 0,
      readyReplicas: counted.readyReplicas ?? 0,
      availableReplicas: counted.availableReplicas ?? 0,
    }),
    ...(remembered.lastReplicas !== undefined && { lastReplicas: remembered.lastReplicas }),
    ...(remembered.deploymentName !== undefined && { deploymentName: remembered.deploymentName }),
    ...(finding.lastScaled !== undefined && { lastScaled: finding.lastScaled }),
    ...decidedPart(inputs, finding),
    ...(finding.progress !== undefined && { progress: finding.progress }),
    ...(finding.problem !== undefined && { problem: finding.problem }),
    ...(finding.waitingFor !== undefined && { waitingFor: [...finding.waitingFor] }),
    message,
    conditions: conditionsOf(inputs, finding),
  };
};
