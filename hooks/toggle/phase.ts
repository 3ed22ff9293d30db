// SPDX-License-Identifier: Apache-2.0
// What a Deployment is doing, read from what its controller reports: never more than it has confirmed.
import { type Deployment, replicasOf } from "./deployment.ts";
import type { Phase, ToggleStatus } from "./schema.ts";

/** A phase, its words, and whether only somebody's change can end it. */
export interface PhaseFound {
  readonly phase: Phase;
  readonly message: string;
  readonly stuck: boolean;
}

/** The longest text of the Deployment's controller that a message repeats. */
const MAX_QUOTE = 400;

const replicasText = (count: number): string => (count === 1 ? "1 replica" : `${count} replicas`);

/** Whether the Deployment's controller has seen the spec that we see. */
const isReported = ({ metadata, status }: Deployment): boolean =>
  (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);

/** Why the Deployment can't get further, in its controller's words. */
const failureOf = ({ status }: Deployment): string | undefined => {
  const failed = status?.conditions?.find(
    ({ type, status }) =>
      (type === "ReplicaFailure" && status === "True") || (type === "Progressing" && status === "False"),
  );
  return failed && (failed.message ?? failed.reason ?? failed.type).slice(0, MAX_QUOTE);
};

const phaseOff = (deployment: Deployment): PhaseFound => {
  const { name } = deployment.metadata;
  const { replicas = 0, terminatingReplicas = 0 } = deployment.status ?? {};
  const left = replicas + terminatingReplicas;
  if (replicasOf(deployment) === 0 && isReported(deployment) && left === 0) {
    return { phase: "Off", message: `The Deployment ${name} has no replicas.`, stuck: false };
  }
  const rest = left === 0 ? "" : `; ${replicasText(left)} left`;
  return { phase: "Stopping", message: `The Deployment ${name} is going down to 0${rest}.`, stuck: false };
};

/**
 * The phase of `deployment`, which shall have `desired` replicas. A count that fell after it had been reached is Degraded,
 * one that was not reached yet is Starting; the last status, `before`, tells them apart.
 */
export const phaseOf = (deployment: Deployment, desired: number, before: ToggleStatus): PhaseFound => {
  if (desired === 0) return phaseOff(deployment);
  const { name } = deployment.metadata;
  const { availableReplicas = 0, updatedReplicas = 0 } = deployment.status ?? {};
  const so = `${availableReplicas} of ${replicasText(desired)} of the Deployment ${name} available`;
  if (replicasOf(deployment) !== desired || !isReported(deployment)) {
    return {
      phase: "Starting",
      message: `The Deployment ${name} is being set to ${replicasText(desired)}.`,
      stuck: false,
    };
  }
  if (availableReplicas >= desired) return { phase: "Running", message: `${so}.`, stuck: false };
  const failure = failureOf(deployment);
  if (failure !== undefined) return { phase: "Degraded", message: `${so}. ${failure}`, stuck: true };
  const wasUp =
    (before.phase === "Running" || before.phase === "Degraded") &&
    before.deploymentName === name &&
    before.desiredReplicas === desired;
  // While pods of a new template replace the old ones, fewer are available on purpose.
  return updatedReplicas >= desired && wasUp
    ? { phase: "Degraded", message: `${so}.`, stuck: false }
    : { phase: "Starting", message: `${so}.`, stuck: false };
};
