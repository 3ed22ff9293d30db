// SPDX-License-Identifier: Apache-2.0
// Decides whether a Toggle has to wait for others before it starts or stops (spec.dependsOn), and for whom.
import type { Assessment } from "./assessment.ts";
import type { Dependency } from "./dependencies.ts";
import { type Deployment, replicasOf } from "./deployment.ts";
import type { PhaseFound } from "./phase.ts";
import { type Count, countOf } from "./replica-count.ts";

/** The most Toggles that the status lists. */
const MAX_LISTED = 16;
/** The most that a message names. */
const MAX_NAMED = 5;

/** Why a Toggle waits, and what its Deployment has meanwhile. */
export interface Hold {
  readonly count: Count;
  readonly found: PhaseFound;
  /** Names of the Toggles that it waits for. */
  readonly waitingFor: readonly string[];
  /** Whether it is to stop, so that nothing starts any more that depends on it. */
  readonly isStopping: boolean;
}

const listed = (words: readonly string[]): string => {
  const more = words.length - MAX_NAMED;
  return more > 0 ? `${words.slice(0, MAX_NAMED).join(", ")} and ${more} more` : words.join(", ");
};

const WORDS: Readonly<Record<Dependency["state"], string>> = {
  running: "running",
  unseen: "not there, or without a Deployment or StatefulSet",
  stopping: "to stop",
  down: "not running",
};

const startHold = (
  { before, spec, links }: Assessment,
  deployment: Deployment | undefined,
): Hold | undefined => {
  const missing = links.dependencies.filter(({ state }) => state !== "running");
  if (missing.length === 0) return undefined;
  const whom = listed(missing.map(({ name, state }) => `${name} (${WORDS[state]})`));
  return {
    count: countOf({ before, spec: { ...spec, on: false } }, deployment),
    found: {
      phase: "Starting",
      message: `The ${spec.workload} stays at 0 until every Toggle runs that it depends on (spec.dependsOn). It waits for ${whom}.`,
      stuck: false,
    },
    waitingFor: missing.slice(0, MAX_LISTED).map(({ name }) => name),
    isStopping: false,
  };
};

const stopHold = ({ before, spec, links }: Assessment, replicas: number, count: Count): Hold | undefined =>
  links.up.length === 0
    ? undefined
    : {
        count: { ...count, desired: replicas, stored: before.lastReplicas === count.remembered },
        found: {
          phase: "Stopping",
          message: `The ${spec.workload} keeps its pods until every Toggle has stopped that depends on it (spec.dependsOn). It waits for ${listed(links.up)}; switch them off as well, or switch this one on again.`,
          stuck: false,
        },
        waitingFor: links.up.slice(0, MAX_LISTED),
        isStopping: true,
      };

/**
 * What keeps `deployment`, or one that is still to be made, from being set to `count`: it is at 0 and shall start while one does
 * not run that it depends on, or it has replicas and shall stop while one has some that depends on it. What has replicas stays on
 * whatever becomes of the others, and what has not been switched waits for nobody.
 */
export const holdOf = (
  assessment: Assessment,
  deployment: Deployment | undefined,
  count: Count,
): Hold | undefined => {
  if (!assessment.spec.switched) return undefined;
  const replicas = deployment === undefined ? 0 : replicasOf(deployment);
  if (count.desired > 0) return replicas > 0 ? undefined : startHold(assessment, deployment);
  return replicas > 0 ? stopHold(assessment, replicas, count) : undefined;
};

/** Why nothing may be switched: the Toggle and another one would wait for each other. */
export const cycleFault = ({ parent, links }: Assessment): string | undefined => {
  const { name } = parent.metadata;
  const others = links.dependencies.flatMap((one) => (links.dependents.includes(one.name) ? one.name : []));
  if (links.dependencies.some((one) => one.name === name)) {
    return "spec.dependsOn names this Toggle itself. Take it out.";
  }
  return others.length === 0
    ? undefined
    : `This Toggle and ${listed(others)} depend on each other (spec.dependsOn). Take one out of the other's.`;
};
