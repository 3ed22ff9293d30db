// SPDX-License-Identifier: Apache-2.0
// Builds the next status of a Toggle from the previous one, byte-equal unless something changed.
import { nextCondition } from "../condition.ts";
import type { Condition } from "../kubernetes.ts";
import type { Assessment } from "./assessment.ts";
import type { Phase, ToggleStatus } from "./schema.ts";
import type { Finding } from "./status.ts";

/** Whether the Deployment is as it was asked for. */
const isReady = (phase: Phase): boolean => phase === "Off" || phase === "Running";

const conditionsOf = ({ before, context }: Assessment, finding: Finding): Condition[] => {
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

/** The status after `finding`. */
export const nextStatus = (assessment: Assessment, finding: Finding): ToggleStatus => {
  const { parent, before } = assessment;
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
    message,
    conditions: conditionsOf(assessment, finding),
  };
};
