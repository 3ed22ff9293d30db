// SPDX-License-Identifier: Apache-2.0
// Derives a Toggle's phase from the Deployment's status, and reports nothing that its controller has not confirmed.
import { type Deployment, replicasOf } from "./deployment.ts";
import { failureOf } from "./failure.ts";
import type { Phase, ToggleStatus } from "./schema.ts";
import { targetText } from "./target.ts";

/** A phase, its words, and whether only somebody's change can end it. */
export interface PhaseFound {
  readonly phase: Phase;
  readonly message: string;
  readonly stuck: boolean;
}

const replicasText = (count: number): string => (count === 1 ? "1 replica" : `${count} replicas`);

const nameOf = ({ kind, metadata }: Deployment): string => `${kind} ${metadata.name}`;

/** Whether the Deployment's controller has seen the spec that we see. */
export const isReported = ({ metadata, status }: Deployment): boolean =>
  (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);

const phaseOff = (deployment: Deployment): PhaseFound => {
  const name = nameOf(deployment);
  const { replicas = 0, terminatingReplicas = 0 } = deployment.status ?? {};
  const left = replicas + terminatingReplicas;
  const isSet = replicasOf(deployment) === 0 && isReported(deployment);
  if (isSet && left === 0) {
    return { phase: "Off", message: `The ${name} has no replicas.`, stuck: false };
  }
  const failure = isSet ? failureOf(deployment, "ReplicaFailure") : undefined;
  const rest = left === 0 ? "" : `; ${replicasText(left)} left`;
  const why = failure === undefined ? "" : ` ${failure}`;
  return {
    phase: "Stopping",
    message: `The ${name} is going down to 0${rest}.${why}`,
    stuck: failure !== undefined,
  };
};

/**
 * How many of `desired` pods are to be of the newest template. Of a StatefulSet the first few may stay behind (its partition), or all
 * until somebody deletes them (OnDelete).
 */
const toUpdate = ({ kind, spec: { updateStrategy } }: Deployment, desired: number): number => {
  if (kind === "Deployment") return desired;
  if (updateStrategy?.type === "OnDelete") return 0;
  return Math.max(0, desired - (updateStrategy?.rollingUpdate?.partition ?? 0));
};

/** What a rollout has still to do, in words; undefined where every pod is of the newest template and none is too many. */
const rolloutOf = (deployment: Deployment, desired: number): string | undefined => {
  const { spec, status } = deployment;
  const { replicas = 0, updatedReplicas = 0 } = status ?? {};
  const paused = spec.paused === true ? " The rollout is paused (spec.paused of the Deployment)." : "";
  if (updatedReplicas < toUpdate(deployment, desired)) {
    const newest = updatedReplicas < replicas ? `; ${updatedReplicas} of the newest template` : "";
    return `${newest}.${paused}`;
  }
  return replicas > desired ? `; ${replicas - desired} more than that still there.` : undefined;
};

/**
 * The phase of `deployment`, which shall have `desired` replicas. A count that fell after it had been reached is Degraded,
 * one that was not reached yet is Starting; the last status, `before`, tells them apart: one that tells of a start that is under
 * way is of a count that was not reached. A failed rollout, a pod of an older
 * template and one too many count as they do for kstatus, whatever is available:
 * https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/status/core.go (deploymentConditions).
 */
export const phaseOf = (deployment: Deployment, desired: number, before: ToggleStatus): PhaseFound => {
  if (desired === 0) return phaseOff(deployment);
  const name = nameOf(deployment);
  const { availableReplicas = 0, conditions = [] } = deployment.status ?? {};
  const so = `${availableReplicas} of ${replicasText(desired)} of the ${name} available`;
  if (replicasOf(deployment) !== desired || !isReported(deployment)) {
    return {
      phase: "Starting",
      message: `The ${name} is being set to ${replicasText(desired)}.`,
      stuck: false,
    };
  }
  const failure = failureOf(deployment, "ReplicaFailure", "Progressing");
  if (failure !== undefined) return { phase: "Degraded", message: `${so}. ${failure}`, stuck: true };
  const rollout = rolloutOf(deployment, desired);
  // While pods of a new template replace the old ones, fewer are available on purpose.
  if (rollout !== undefined) return { phase: "Starting", message: `${so}${rollout}`, stuck: false };
  const unavailable = conditions.some(({ type, status }) => type === "Available" && status === "False");
  if (availableReplicas >= desired && !unavailable) {
    return { phase: "Running", message: `${so}.`, stuck: false };
  }
  const wasUp =
    (before.phase === "Running" || (before.phase === "Degraded" && before.progress === undefined)) &&
    before.deploymentName === targetText(deployment.kind, deployment.metadata.name) &&
    before.desiredReplicas === desired;
  return { phase: wasUp ? "Degraded" : "Starting", message: `${so}.`, stuck: false };
};
