// SPDX-License-Identifier: Apache-2.0
// Creates the objects of an HSMDevice of two nodes: its definition and controller, the nodes, and the pods of discovery.
import { toJson } from "../../control-plane/api/json.ts";
import type { ApiResult, KubeClient, KubeObject, ResourceInfo } from "../../control-plane/client.ts";
import { CRDS } from "../../crd.ts";

export const NODES = ["a", "b"] as const;
export type NodeName = (typeof NODES)[number];
export const NAMESPACE = "keyswitch";
export const NAME = "hsm";

const kind = (apiVersion: string, name: string, plural: string, namespaced = true): ResourceInfo => ({
  apiVersion,
  kind: name,
  plural,
  namespaced,
  hasStatus: true,
});
export const KINDS = {
  namespaces: kind("v1", "Namespace", "namespaces", false),
  nodes: kind("v1", "Node", "nodes", false),
  pods: kind("v1", "Pod", "pods"),
  deployments: kind("apps/v1", "Deployment", "deployments"),
  definitions: kind(
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    false,
  ),
  controllers: kind("metacontroller.k8s.io/v1alpha1", "CompositeController", "compositecontrollers", false),
  devices: kind("hsm.j5t.io/v1alpha1", "HSMDevice", "hsmdevices"),
};

/** The value. @throws Error of a refusal */
export const done = <T>(result: ApiResult<T>): T => {
  if (!result.ok) throw new Error(`the API server: ${result.message}`);
  return result.value;
};

/** As manifests/hsmdevice has it, but for the address of the webhook. */
const controllerAt = (webhook: string) => ({
  metadata: { name: "hsmdevice" },
  spec: {
    generateSelector: true,
    parentResource: { apiVersion: "hsm.j5t.io/v1alpha1", resource: "hsmdevices", ignoreStatusChanges: true },
    childResources: [
      { apiVersion: "apps/v1", resource: "deployments" },
      { apiVersion: "v1", resource: "services" },
      { apiVersion: "networking.k8s.io/v1", resource: "networkpolicies" },
    ].map((child) => ({ ...child, updateStrategy: { method: "InPlace" } })),
    hooks: Object.fromEntries(
      ["customize", "sync", "finalize"].map((hook) => [
        hook,
        { version: "v2", webhook: { url: `${webhook}/hooks/hsmdevice/${hook}`, timeout: "10s" } },
      ]),
    ),
  },
});

interface SetObjects {
  readonly hosts: Readonly<Record<NodeName, string>>;
  /** Where the webhook listens. */
  readonly webhook: string;
  /** spec.mirroring. */
  readonly mirroring: object;
}

/** Creates them, the HSMDevice last. */
export const createObjects = async (
  client: KubeClient,
  { hosts, webhook, mirroring }: SetObjects,
): Promise<void> => {
  const create = async (resource: ResourceInfo, object: object, status?: object): Promise<void> => {
    const { apiVersion, kind: name } = resource;
    const whole = toJson({ apiVersion, kind: name, ...object }) as KubeObject;
    const made = done(await client.create(resource, whole, resource.namespaced ? NAMESPACE : undefined));
    if (status === undefined) return;
    done(await client.update(resource, { ...made, status } as KubeObject, "status"));
  };
  await create(KINDS.namespaces, { metadata: { name: NAMESPACE } });
  await create(KINDS.definitions, CRDS["hsmdevice/hsmdevices.yaml"] ?? {});
  for (const node of NODES) {
    await create(KINDS.nodes, { metadata: { name: node } });
    const labels = { "app.kubernetes.io/name": "keyswitch-discovery" };
    await create(
      KINDS.pods,
      {
        metadata: { name: `discovery-${node}`, namespace: NAMESPACE, labels },
        spec: { nodeName: node, containers: [{ name: "discovery", image: "keyswitch:0.1.0" }] },
      },
      { phase: "Running", podIP: hosts[node], conditions: [{ type: "Ready", status: "True" }] },
    );
  }
  await create(KINDS.controllers, controllerAt(webhook));
  await create(KINDS.devices, {
    metadata: { name: NAME, namespace: NAMESPACE },
    spec: { deviceType: "PicoHSM", pkcs11: { pinSecret: { name: "pin" } }, mirroring },
  });
};
