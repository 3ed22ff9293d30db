// SPDX-License-Identifier: Apache-2.0
// Builds Toggle hook requests for tests: a Toggle demo/web, and the Deployments that Metacontroller shows with it.
import type { ObjectMeta } from "../../../hooks/kubernetes.ts";
import type { Deployment } from "../../../hooks/toggle/deployment.ts";
import type { HookContext, ToggleSyncRequest } from "../../../hooks/toggle/index.ts";
import type { PodTemplate, ToggleSpec } from "../../../hooks/toggle/schema.ts";

export const UID = "78fc6342-6667-472a-9e90-2d6d4d3f3487";
/** What the tests' installation allows a start, in seconds: longer than anything that they wait for. */
export const START_TIMEOUT_SECONDS = 7200;
export const context: HookContext = {
  now: "2026-11-22T10:00:00Z",
  templates: true,
  startTimeoutSeconds: START_TIMEOUT_SECONDS,
};
export const later: HookContext = { ...context, now: "2026-11-22T11:30:00Z" };

export const template: PodTemplate = {
  metadata: { labels: { tier: "front" } },
  spec: { containers: [{ name: "x" }] },
};

/** The controller reference of a Toggle. */
export const ownerReference = (uid = UID, name = "web", kind = "Toggle") => ({
  apiVersion: "toggle.j5t.io/v1alpha1",
  kind,
  name,
  uid,
  controller: true,
  blockOwnerDeletion: true,
});

/** What a Deployment's controller reports: `available` of `replicas` pods. */
const pods = (replicas: number, available: number) => ({
  observedGeneration: 1,
  replicas,
  updatedReplicas: replicas,
  readyReplicas: available,
  availableReplicas: available,
});

/** A Deployment that demo/web owns, `replicas` wanted and `available` of them there (default: all). */
export const deployment = (
  replicas: number,
  meta: Partial<ObjectMeta> = {},
  status: Deployment["status"] | number | null = replicas,
): Deployment => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: {
    name: "web",
    namespace: "demo",
    uid: "d-1",
    generation: 1,
    labels: { app: "web" },
    ownerReferences: [ownerReference()],
    ...meta,
  },
  spec: {
    replicas,
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "x", image: "y" }] } },
  },
  ...(typeof status === "number"
    ? { status: pods(Math.max(replicas, status), status) }
    : status === null || status === undefined
      ? {}
      : { status }),
});

export interface RequestParts {
  /** Beside the selector and enabled, which is true. */
  readonly spec?: Partial<ToggleSpec>;
  /** Leaves enabled out. */
  readonly notSwitched?: boolean;
  readonly status?: Record<string, unknown>;
  readonly metadata?: Partial<ObjectMeta>;
  /** Deployments that Metacontroller has claimed for the Toggle; the one named web is also shown under related. */
  readonly owned?: readonly Deployment[];
  /** Further Deployments under related; "no-hook" leaves related empty, as without a customize hook. */
  readonly related?: readonly Deployment[] | "no-hook";
  readonly finalizing?: boolean;
  /** What Metacontroller shows as Pods under related. */
  readonly pods?: readonly { readonly metadata: { readonly name: string } }[];
}

const keyed = (deployments: readonly Deployment[]): Record<string, Deployment> =>
  Object.fromEntries(deployments.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one]));

/** A sync or finalize request, as Metacontroller sends it. */
export const request = (parts: RequestParts = {}): ToggleSyncRequest => {
  const owned = parts.owned ?? [];
  const related = parts.related === "no-hook" ? undefined : [...owned, ...(parts.related ?? [])];
  return {
    controller: {
      apiVersion: "metacontroller.k8s.io/v1alpha1",
      kind: "CompositeController",
      metadata: { name: "toggle" },
    },
    parent: {
      apiVersion: "toggle.j5t.io/v1alpha1",
      kind: "Toggle",
      metadata: { name: "web", generation: 1, ...parts.metadata, namespace: "demo", uid: UID },
      spec: {
        ...(parts.notSwitched === true ? {} : { enabled: true }),
        selector: { matchLabels: { app: "web" } },
        ...parts.spec,
      },
      ...(parts.status === undefined ? {} : { status: parts.status }),
    },
    children: { "Deployment.apps/v1": keyed(owned) },
    related:
      related === undefined
        ? {}
        : {
            "Deployment.apps/v1": keyed(related),
            ...(parts.pods !== undefined && {
              "Pod.v1": Object.fromEntries(parts.pods.map((one) => [`demo/${one.metadata.name}`, one])),
            }),
          },
    finalizing: parts.finalizing ?? false,
  };
};
