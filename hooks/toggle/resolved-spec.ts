// SPDX-License-Identifier: Apache-2.0
// Fills in the defaults of a Toggle's spec, and computes whether it is on at a given time.
import { metadataFault, sorted } from "../formats.ts";
import type { StringMap } from "../kubernetes.ts";
import { secondsUntil } from "../rfc3339.ts";
import type { PodTemplate, Toggle } from "./schema.ts";

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
  /** Left out where Kubernetes would refuse it. */
  readonly template?: PodTemplate;
  /** What Kubernetes would refuse of the template, in words. */
  readonly templateFault?: string;
}

/** The template of `spec` if Kubernetes takes its labels, with those of the selector, and its annotations. */
const templateOf = ({
  template,
  selector,
}: Toggle["spec"]): Pick<ResolvedSpec, "template" | "templateFault"> => {
  if (template === undefined) return {};
  const { labels = {}, annotations = {} } = template.metadata ?? {};
  for (const [where, fault] of [
    ["spec.selector.matchLabels", metadataFault("labels", selector.matchLabels)],
    ["spec.template.metadata.labels", metadataFault("labels", labels)],
    ["spec.template.metadata.annotations", metadataFault("annotations", annotations)],
  ]) {
    if (fault !== undefined) return { templateFault: `The template is not used: ${where}: ${fault}` };
  }
  return { template };
};

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
    ...(left !== undefined && !expired && { secondsLeft: left }),
    expired,
    ...(spec.until !== undefined && { until: spec.until }),
    ...(spec.replicas !== undefined && { replicas: spec.replicas }),
    replicaPolicy: spec.replicaPolicy ?? "Fixed",
    deletionPolicy: spec.deletionPolicy ?? "Orphan",
    ...templateOf(spec),
  };
};

/** The selector of `spec` as kubectl takes it. */
export const selectorText = ({ matchLabels }: ResolvedSpec): string =>
  Object.entries(matchLabels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
