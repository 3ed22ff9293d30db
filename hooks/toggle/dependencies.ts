// SPDX-License-Identifier: Apache-2.0
// Finds in a request which Toggles a Toggle depends on and which depend on it, and how far each is, by their Deployments alone.
import type { StringMap } from "../kubernetes.ts";
import { controllerOf } from "../metadata.ts";
import { dependsOnLabel, hasLabels, ownLabel } from "./dependency-labels.ts";
import { type Deployment, replicasOf, STOPPING } from "./deployment.ts";
import { phaseOf } from "./phase.ts";
import type { Toggle } from "./schema.ts";

/** A Toggle that spec.dependsOn names. */
export interface Dependency {
  readonly name: string;
  /** "unseen": there is none, it has no Deployment, or its Deployment has not been labelled yet. */
  readonly state: "running" | "unseen" | "stopping" | "down";
}

/** What links a Toggle to others of its namespace. */
export interface Links {
  readonly dependencies: readonly Dependency[];
  /** Names of the Toggles that depend on this one, in order. */
  readonly dependents: readonly string[];
  /** Those of them which have pods, or are to have some. */
  readonly up: readonly string[];
  /** Labels of the Deployment of this Toggle by which the others find it. */
  readonly labels: StringMap;
}

/** The Toggle that controls `deployment`; what an orphaned one says of its Toggle counts no more. */
const toggleOf = (deployment: Deployment): string | undefined => {
  const controller = controllerOf(deployment);
  const isToggle = controller?.kind === "Toggle" && controller.apiVersion.startsWith("toggle.j5t.io/");
  return isToggle ? controller.name : undefined;
};

const isGone = (deployment: Deployment): boolean =>
  phaseOf(deployment, 0, {}).phase === "Off" && replicasOf(deployment) === 0;

const isRunning = (deployment: Deployment): boolean =>
  deployment.metadata.deletionTimestamp === undefined &&
  replicasOf(deployment) > 0 &&
  phaseOf(deployment, replicasOf(deployment), {}).phase === "Running";

/** How far the Toggle `name` is; where it has two Deployments, as while it moves from one to the other, both must run. */
const dependencyOf = (name: string, related: readonly Deployment[]): Dependency => {
  const its = related.filter(
    (one) => toggleOf(one) === name && hasLabels(one.metadata.labels, ownLabel(name)),
  );
  if (its.length === 0) return { name, state: "unseen" };
  if (its.some(({ metadata }) => metadata.annotations?.[STOPPING] !== undefined)) {
    return { name, state: "stopping" };
  }
  return { name, state: its.every(isRunning) ? "running" : "down" };
};

/** What `related` says of the Toggles that `parent` is linked to. */
export const linksOf = ({ metadata, spec }: Toggle, related: readonly Deployment[]): Links => {
  const names = [...new Set(spec.dependsOn ?? [])].sort();
  const depending = related.filter(
    (one) =>
      toggleOf(one) !== undefined &&
      controllerOf(one)?.uid !== metadata.uid &&
      hasLabels(one.metadata.labels, dependsOnLabel(metadata.name)),
  );
  const namesOf = (deployments: readonly Deployment[]) =>
    [...new Set(deployments.flatMap((one) => toggleOf(one) ?? []))].sort();
  const dependents = namesOf(depending);
  return {
    dependencies: names.map((name) => dependencyOf(name, related)),
    dependents,
    up: namesOf(depending.filter((one) => !isGone(one))),
    labels: Object.assign(
      {},
      ...names.map(dependsOnLabel),
      dependents.length === 0 ? {} : ownLabel(metadata.name),
    ),
  };
};
