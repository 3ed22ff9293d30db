// SPDX-License-Identifier: Apache-2.0
// Computes the status that the real Deployment controller writes, counts and conditions, from the previous one.
// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
import { createHash } from "node:crypto";
import { canonical, type Json, type JsonObject } from "../api/json.ts";

export type Condition = {
  type: string;
  status: string;
  reason: string;
  message: string;
  lastUpdateTime: string;
  lastTransitionTime: string;
};

/** What is known of a Deployment's pods. `actual` may differ from `desired` while pods come and go. */
export type PodCounts = { desired: number; actual: number; ready: number };

export type StatusInput = {
  name: string;
  generation: number;
  template: Json;
  pods: PodCounts;
  /** spec.strategy.rollingUpdate.maxUnavailable: a number, or a percentage that is rounded down. */
  maxUnavailable: number | string;
  previous: { updatedReplicas: number; readyReplicas: number; conditions: Condition[] };
  /** RFC 3339. */
  at: string;
};

/** The name of the ReplicaSet for a pod template, of the form that Kubernetes gives it. */
export const replicaSetName = (deployment: string, template: Json): string => {
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  const digest = createHash("sha256").update(canonical(template)).digest().subarray(0, 10);
  return `${deployment}-${[...digest].map((byte) => alphabet[byte % alphabet.length]).join("")}`;
};

export const deploymentStatus = (input: StatusInput): JsonObject => {
  const { pods, previous } = input;
  const conditions = [...previous.conditions];
  const unavailable = Math.max(pods.desired - pods.ready, 0);
  setCondition(conditions, availability(input), input.at);
  const progress = progressing(input, conditions);
  if (progress) setCondition(conditions, progress, input.at);
  return {
    ...nonZero({
      replicas: pods.actual,
      updatedReplicas: pods.actual,
      readyReplicas: pods.ready,
      availableReplicas: pods.ready,
      unavailableReplicas: unavailable,
    }),
    conditions,
    observedGeneration: input.generation,
    terminatingReplicas: 0,
  };
};

type Finding = { type: string; status: string; reason: string; message: string; renew?: boolean };

const availability = ({ pods, maxUnavailable }: StatusInput): Finding => {
  const share = typeof maxUnavailable === "number" ? maxUnavailable : percentOf(maxUnavailable, pods.desired);
  const enough = pods.ready >= pods.desired - share;
  return {
    type: "Available",
    status: enough ? "True" : "False",
    reason: enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
    message: enough
      ? "Deployment has minimum availability."
      : "Deployment does not have minimum availability.",
  };
};

const progressing = (
  { name, template, pods, previous }: StatusInput,
  conditions: Condition[],
): Finding | undefined => {
  const current = conditions.find(({ type }) => type === "Progressing");
  // A rollout that was complete stays so while the same ReplicaSet is only scaled.
  if (current?.reason === "NewReplicaSetAvailable") return undefined;
  const replicaSet = `ReplicaSet "${replicaSetName(name, template)}"`;
  if (pods.actual === pods.desired && pods.ready === pods.desired) {
    const message = `${replicaSet} has successfully progressed.`;
    return { type: "Progressing", status: "True", reason: "NewReplicaSetAvailable", message };
  }
  const moved = pods.actual > previous.updatedReplicas || pods.ready > previous.readyReplicas;
  if (!moved) return undefined;
  const message = `${replicaSet} is progressing.`;
  return { type: "Progressing", status: "True", reason: "ReplicaSetUpdated", message, renew: true };
};

/** Puts a changed condition at the end, as the real controller does; one with the same reason keeps its place. */
const setCondition = (conditions: Condition[], finding: Finding, at: string): void => {
  const { renew = false, ...found } = finding;
  const index = conditions.findIndex(({ type }) => type === found.type);
  const old = conditions[index];
  if (old && old.status === found.status && old.reason === found.reason && !renew) return;
  if (index >= 0) conditions.splice(index, 1);
  const lastTransitionTime = old?.status === found.status ? old.lastTransitionTime : at;
  conditions.push({ ...found, lastTransitionTime, lastUpdateTime: at });
};

const percentOf = (text: string, count: number): number => {
  const percent = Number(text.replace("%", ""));
  return Number.isFinite(percent) ? Math.floor((percent * count) / 100) : 0;
};

const nonZero = (counts: { [name: string]: number }): { [name: string]: number } =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
