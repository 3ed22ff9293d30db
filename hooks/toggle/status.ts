// SPDX-License-Identifier: Apache-2.0
// The status of a Toggle: made of the one before, so that nothing in it changes unless something happened.
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { nextCondition } from "../condition.ts";
import type { Condition } from "../kubernetes.ts";
import type { Deployment } from "./deployment.ts";
import { type LastScaled, type Phase, type Toggle, ToggleStatus } from "./schema.ts";

/** The reasons of the conditions: Ready, Reconciling and Stalled have the phase, the others their own. */
export const OTHER_REASONS = [
  "OtherDeployments",
  "NotMadeByToggle",
  "InvalidTemplate",
  "ScaledByOthers",
] as const;

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

/** Whether the Deployment is as it was asked for. */
const isReady = (phase: Phase): boolean => phase === "Off" || phase === "Running";

const conditionsOf = (before: ToggleStatus, finding: Finding, now: string): Condition[] => {
  const { phase, message, stuck, others, templateUnused, templateFault, contended } = finding;
  const condition = (type: string, status: Condition["status"], reason: string, words: string) =>
    nextCondition(before.conditions, now, { type, status, reason, message: words });
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

/** The status of `parent` after `finding`, at the time `now` (RFC 3339). */
export const nextStatus = (parent: Toggle, finding: Finding, now: string): ToggleStatus => {
  const before = previousStatus(parent);
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
    ...(parent.metadata.generation === undefined ? {} : { observedGeneration: parent.metadata.generation }),
    phase,
    ...(desired === undefined ? {} : { desiredReplicas: desired }),
    ...(deployment === undefined
      ? {}
      : {
          replicas: counted.replicas ?? 0,
          readyReplicas: counted.readyReplicas ?? 0,
          availableReplicas: counted.availableReplicas ?? 0,
        }),
    ...(remembered.lastReplicas === undefined ? {} : { lastReplicas: remembered.lastReplicas }),
    ...(remembered.deploymentName === undefined ? {} : { deploymentName: remembered.deploymentName }),
    ...(finding.lastScaled === undefined ? {} : { lastScaled: finding.lastScaled }),
    message,
    conditions: conditionsOf(before, finding, now),
  };
};
