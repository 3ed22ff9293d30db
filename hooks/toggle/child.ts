// SPDX-License-Identifier: Apache-2.0
// Builds the Deployment that the response lists: scaled, created, or unchanged.
import type { StringMap } from "../kubernetes.ts";
import { MANAGED_BY } from "../metadata.ts";
import {
  type Deployment,
  MADE_BY,
  PUT_BACK,
  REPLICAS_WHEN_ON,
  replicasOf,
  STOPPING,
  SWITCHED_OFF_BY,
} from "./deployment.ts";
import type { Count } from "./replica-count.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import { keptRestart, wantedRestart, withRestart } from "./restart.ts";
import type { PodTemplate, Toggle } from "./schema.ts";
import type { Kind } from "./target.ts";

/** The child of an answer: only what is ours of the Deployment, so that server-side apply leaves the rest alone. */
export interface DeploymentChild extends Record<string, unknown> {
  readonly apiVersion: "apps/v1";
  readonly kind: Kind;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: StringMap;
    readonly annotations?: StringMap;
  };
  readonly spec: {
    readonly replicas: number;
    readonly selector?: unknown;
    readonly template?: unknown;
  };
}

interface Parts {
  readonly kind: Kind;
  readonly name: string;
  readonly annotations: StringMap;
  /** By which other Toggles find it. */
  readonly links?: StringMap;
  readonly replicas: number;
  /** selector and template, of a Deployment that a Toggle made. */
  readonly made?: { readonly selector: unknown; readonly template: unknown };
  /** When its pods were last restarted, where an answer has to say it. */
  readonly restartedAt?: string | undefined;
}

const child = (parent: Toggle, spec: ResolvedSpec, parts: Parts): DeploymentChild => ({
  apiVersion: "apps/v1",
  kind: parts.kind,
  metadata: {
    name: parts.name,
    namespace: parent.metadata.namespace,
    // Metacontroller takes no child whose labels don't match the selector.
    labels: { ...(parts.made !== undefined && MANAGED_BY), ...parts.links, ...spec.matchLabels },
    ...(Object.keys(parts.annotations).length !== 0 && { annotations: parts.annotations }),
  },
  spec: {
    replicas: parts.replicas,
    ...parts.made,
    ...(parts.restartedAt !== undefined && {
      template: withRestart(parts.made?.template, parts.restartedAt),
    }),
  },
});

/** The annotations of ours that `deployment` carries; a count to go back to is none any more where it has one. */
const carried = (deployment: Deployment): StringMap => {
  const annotations = deployment.metadata.annotations ?? {};
  const kept = [
    MADE_BY,
    PUT_BACK,
    ...(replicasOf(deployment) === 0 ? [REPLICAS_WHEN_ON, SWITCHED_OFF_BY] : []),
  ];
  return Object.fromEntries(
    kept.flatMap((key) => {
      const value = annotations[key];
      return value === undefined ? [] : [[key, value]];
    }),
  );
};

/**
 * The note that goes with a 0. When the Deployment is switched on again it stays until the status remembers the count: the
 * engine may die between applying an answer and writing its status.
 */
const note = ({ uid }: ResolvedSpec, { desired, remembered, stored }: Count, noted: boolean): StringMap =>
  remembered !== undefined && (desired === 0 || (noted && !stored))
    ? { [REPLICAS_WHEN_ON]: String(remembered), [SWITCHED_OFF_BY]: uid }
    : {};

/** `template` with the labels by which the Deployment finds its pods. */
const labelled = (template: PodTemplate, matchLabels: StringMap): PodTemplate => ({
  ...template,
  metadata: { ...template.metadata, labels: { ...template.metadata?.labels, ...matchLabels } },
});

/**
 * Selector and template of a Deployment that a Toggle made, this one or an earlier one of its name: the engine has applied
 * them, so that an answer without them would have them removed. `template` replaces the pod template.
 */
const madeParts = (
  deployment: Deployment,
  spec: ResolvedSpec,
  template: PodTemplate | undefined,
): Pick<Parts, "made"> => {
  if (deployment.metadata.annotations?.[MADE_BY] === undefined) return {};
  const selector = deployment.spec.selector ?? { matchLabels: spec.matchLabels };
  return {
    made: {
      selector,
      template:
        template === undefined
          ? deployment.spec.template
          : labelled(template, selector.matchLabels ?? spec.matchLabels),
    },
  };
};

/**
 * Lists `deployment` as it was observed, at the replicas it has: nothing about it changes but `links`, the labels by which other
 * Toggles find the named one.
 */
export const relisted = (
  parent: Toggle,
  spec: ResolvedSpec,
  deployment: Deployment,
  links: StringMap = {},
): DeploymentChild =>
  child(parent, spec, {
    kind: deployment.kind,
    name: deployment.metadata.name,
    annotations: carried(deployment),
    links,
    replicas: replicasOf(deployment),
    ...madeParts(deployment, spec, undefined),
    restartedAt: keptRestart(deployment, parent.metadata.uid),
  });

/** What else is written with a count. */
export interface Notes {
  /** The labels by which other Toggles find the Deployment. */
  readonly links: StringMap;
  /** The note that the count is put back, or was. */
  readonly putBack?: string | undefined;
  /** Whether it is to stop, and waits for others. */
  readonly isStopping?: boolean | undefined;
}

/** Lists the named `deployment` at the count that it shall have. */
export const scaledChild = (
  parent: Toggle,
  spec: ResolvedSpec,
  deployment: Deployment,
  count: Count,
  { links, putBack, isStopping = false }: Notes,
): DeploymentChild => {
  const { annotations } = deployment.metadata;
  const maker = annotations?.[MADE_BY];
  return child(parent, spec, {
    kind: deployment.kind,
    name: deployment.metadata.name,
    annotations: {
      ...(maker !== undefined && { [MADE_BY]: maker }),
      ...note(spec, count, annotations?.[REPLICAS_WHEN_ON] !== undefined),
      ...(putBack !== undefined && { [PUT_BACK]: putBack }),
      ...(isStopping && { [STOPPING]: "true" }),
    },
    links,
    replicas: count.desired,
    ...madeParts(deployment, spec, spec.template),
    restartedAt: wantedRestart(parent, deployment),
  });
};

/** A Deployment that is not there yet, made of spec.template. */
export const newChild = (
  parent: Toggle,
  spec: ResolvedSpec,
  template: PodTemplate,
  count: Count,
  links: StringMap,
): DeploymentChild =>
  child(parent, spec, {
    kind: "Deployment",
    name: spec.deploymentName,
    links,
    annotations: {
      [MADE_BY]: parent.metadata.uid,
      ...note(spec, count, false),
    },
    replicas: count.desired,
    made: {
      selector: { matchLabels: spec.matchLabels },
      template: labelled(template, spec.matchLabels),
    },
    restartedAt: parent.spec.restartAt,
  });
