// SPDX-License-Identifier: Apache-2.0
// Fills in the defaults of a Toggle's spec, beside what was decided of whether it is on.
import { metadataFault, sorted } from "../formats.ts";
import type { StringMap } from "../kubernetes.ts";
import type { PodTemplate, Toggle } from "./schema.ts";
import type { Switch } from "./switch.ts";
import { type Kind, targetOf, targetText } from "./target.ts";

/** The spec as the hooks work with it: nothing is left open but what has no default. */
export interface ResolvedSpec extends Switch {
  /** uid of the Toggle. */
  readonly uid: string;
  readonly kind: Kind;
  /** Name of the Deployment, or StatefulSet. */
  readonly deploymentName: string;
  /** The same for the status, which says of which one it speaks. */
  readonly target: string;
  /** The same for messages: its kind and its name. */
  readonly workload: string;
  readonly matchLabels: StringMap;
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

/** `parent`'s spec with the defaults of the CRD and of its name filled in. */
export const resolveSpec = (parent: Toggle, decided: Switch): ResolvedSpec => {
  const { metadata, spec } = parent;
  const { kind, name } = targetOf(parent);
  return {
    ...decided,
    uid: metadata.uid,
    kind,
    deploymentName: name,
    target: targetText(kind, name),
    workload: `${kind} ${name}`,
    matchLabels: sorted(spec.selector.matchLabels),
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
