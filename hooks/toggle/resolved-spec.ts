// SPDX-License-Identifier: Apache-2.0
// A Toggle's spec with every default filled in, and whether it is on at a given time.
import type { StringMap } from "../kubernetes.ts";
import type { PodTemplate, Toggle } from "./schema.ts";
import { secondsUntil } from "./until.ts";

/** The spec as the hooks work with it: nothing is left open but what has no default. */
export interface ResolvedSpec {
  /** uid of the Toggle. */
  readonly uid: string;
  readonly deploymentName: string;
  readonly matchLabels: StringMap;
  /** Whether enabled, or a time that has passed, says what the count shall be. If not, it stays as it is. */
  readonly switched: boolean;
  /** Without a switch: whether a Deployment that is made of the template is made with replicas, which it is. */
  readonly on: boolean;
  /** Seconds until spec.until switches it off, where it will. */
  readonly secondsLeft?: number;
  /** Whether it is off because spec.until has passed. */
  readonly expired: boolean;
  readonly until?: string;
  readonly replicas?: number;
  readonly replicaPolicy: "Fixed" | "Floor";
  readonly deletionPolicy: "Orphan" | "Delete";
  readonly template?: PodTemplate;
}

/** `map` with its keys in order, so that the same content gives the same bytes. */
const sorted = (map: StringMap): StringMap =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));

/** `parent`'s spec at the time `now` (RFC 3339), with the defaults of the CRD and of its name filled in. */
export const resolveSpec = ({ metadata, spec }: Toggle, now: string): ResolvedSpec => {
  const enabled = spec.enabled !== false;
  const left = enabled && spec.until !== undefined ? secondsUntil(spec.until, now) : undefined;
  const expired = left !== undefined && left <= 0;
  return {
    uid: metadata.uid,
    deploymentName: spec.deploymentName ?? metadata.name,
    matchLabels: sorted(spec.selector.matchLabels),
    switched: spec.enabled !== undefined || expired,
    on: enabled && !expired,
    ...(left === undefined || expired ? {} : { secondsLeft: left }),
    expired,
    ...(spec.until === undefined ? {} : { until: spec.until }),
    ...(spec.replicas === undefined ? {} : { replicas: spec.replicas }),
    replicaPolicy: spec.replicaPolicy ?? "Fixed",
    deletionPolicy: spec.deletionPolicy ?? "Orphan",
    ...(spec.template === undefined ? {} : { template: spec.template }),
  };
};
