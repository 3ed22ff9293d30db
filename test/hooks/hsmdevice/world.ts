// SPDX-License-Identifier: Apache-2.0
// A small cluster for tests of the HSMDevice hooks: nodes, devices that are plugged into them, discovery, and an engine that
// applies each answer. Time passes only when a test says so.

import { Value } from "@sinclair/typebox/value";
import type { HSMDeviceSyncRequest, NodeReport } from "../../../hooks/hsmdevice/index.ts";
import type { Deployment, Pod } from "../../../hooks/hsmdevice/objects.ts";
import type { ReportedDevice } from "../../../hooks/hsmdevice/reading.ts";
import { type HSMDeviceSpec, HSMDeviceStatus } from "../../../hooks/hsmdevice/schema.ts";
import type { SyncResult } from "../../../hooks/hsmdevice/sync.ts";
import { sync } from "./hooks.ts";

const UID = "78fc6342-6667-472a-9e90-2d6d4d3f3487";
const NAMESPACE = "keyswitch";
const owner = {
  apiVersion: "hsm.j5t.io/v1alpha1",
  kind: "HSMDevice",
  name: "hsm",
  uid: UID,
  controller: true,
};

/** A Pico HSM as discovery tells of it. */
export const pico = (id: string, parts: Partial<ReportedDevice> = {}): ReportedDevice => ({
  id,
  devicePath: "bus/usb/001/003",
  vendorId: "2e8a",
  productId: "10fd",
  serialNumber: id,
  type: "PicoHSM",
  fault: null,
  resource: null,
  ...parts,
});

const discoveryPod = (node: string, ready: boolean): Pod => ({
  metadata: {
    name: `discovery-${node}`,
    namespace: NAMESPACE,
    labels: { "app.kubernetes.io/name": "keyswitch-discovery" },
  },
  spec: { nodeName: node, containers: [{ name: "discovery", image: "keyswitch:0.1.0" }] },
  status: { podIP: "10.0.0.1", conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
});

type Listed = { kind: string; metadata: { name: string; annotations?: Record<string, string> } };
type Group = NonNullable<HSMDeviceSyncRequest["children"]["Deployment.apps/v1"]>;

export class World {
  spec: HSMDeviceSpec = { deviceType: "PicoHSM", pkcs11: { pinSecret: { name: "pin" } } };
  status: Record<string, unknown> | undefined;
  /** What is plugged in, by node. */
  devices: Record<string, ReportedDevice[]> = {};
  paths: Record<string, { path: string; permissions: string }[]> = {};
  labels: Record<string, Record<string, string>> = {};
  /** Nodes with a device plugin, which offers each device of a known type. */
  plugins = new Set<string>();
  /** Nodes whose discovery is not ready. */
  silent = new Set<string>();
  /** Agents that do not get available, by device id. */
  broken = new Set<string>();
  /** Deployments that are somebody else's. */
  others: Deployment[] = [];
  children: Record<string, unknown>[] = [];
  hasCustomize = true;
  /** Seconds. */
  time = 0;

  constructor(devices: Record<string, ReportedDevice[]>) {
    this.devices = devices;
  }

  get now(): string {
    return new Date(Date.UTC(2026, 10, 22, 10) + this.time * 1000).toISOString().replace(/\.\d+Z$/, "Z");
  }

  private observedOf(kind: string): Group {
    const ours = (this.children as Listed[]).filter((child) => child.kind === kind);
    return Object.fromEntries(
      ours.map((child) => [
        `${NAMESPACE}/${child.metadata.name}`,
        {
          ...child,
          metadata: { ...child.metadata, ownerReferences: [owner], generation: 1 },
          status: {
            observedGeneration: 1,
            availableReplicas: this.broken.has(child.metadata.annotations?.["hsm.j5t.io/device-id"] ?? "")
              ? 0
              : 1,
          },
        } as unknown as Deployment,
      ]),
    );
  }

  request(finalizing = false): HSMDeviceSyncRequest {
    const nodes = Object.keys(this.devices).filter((node) =>
      Object.entries(this.spec.nodeSelector ?? {}).every(([key, is]) => this.labels[node]?.[key] === is),
    );
    const deployments = this.observedOf("Deployment");
    const foreign = Object.fromEntries(this.others.map((one) => [`${NAMESPACE}/${one.metadata.name}`, one]));
    return {
      controller: { apiVersion: "v1", kind: "CompositeController", metadata: { name: "hsmdevice" } },
      parent: {
        apiVersion: "hsm.j5t.io/v1alpha1",
        kind: "HSMDevice",
        metadata: { name: "hsm", namespace: NAMESPACE, uid: UID, generation: 1 },
        spec: this.spec,
        ...(this.status !== undefined && { status: structuredClone(this.status) }),
      },
      children: {
        "Deployment.apps/v1": deployments,
        "Service.v1": this.observedOf("Service"),
        "NetworkPolicy.networking.k8s.io/v1": this.observedOf("NetworkPolicy"),
      },
      related: this.hasCustomize
        ? {
            "Pod.v1": Object.fromEntries(
              Object.keys(this.devices).map((node) => [node, discoveryPod(node, !this.silent.has(node))]),
            ),
            "Node.v1": Object.fromEntries(
              nodes.map((node) => [node, { metadata: { name: node, labels: this.labels[node] ?? {} } }]),
            ),
            "Deployment.apps/v1": { ...deployments, ...foreign },
          }
        : {},
      finalizing,
    };
  }

  reports(): NodeReport[] {
    return Object.entries(this.devices)
      .filter(([node]) => !this.silent.has(node))
      .map(([node, devices]) => {
        const plugin = this.plugins.has(node);
        const offered = devices.map((device) =>
          plugin && device.type !== null && device.fault === null
            ? { ...device, resource: `hsm.j5t.io/picohsm-${device.id.toLowerCase()}` }
            : device,
        );
        return { node, plugin, devices: offered, paths: this.paths[node] ?? [] };
      });
  }

  /** What the hook answers now. */
  answer(): SyncResult {
    return sync(this.request(), this.reports(), this.now);
  }

  /** One sync, applied. */
  sync() {
    const result = this.answer();
    if (!Value.Check(HSMDeviceStatus, result.response.status)) throw new Error("no status of the schema");
    this.status = result.response.status;
    this.children = result.response.children;
    return result;
  }

  /** Syncs every 10 seconds. */
  run(seconds: number): this {
    for (let left = seconds; left > 0; left -= 10) {
      this.time += 10;
      this.sync();
    }
    return this;
  }

  get found(): HSMDeviceStatus {
    return this.status as HSMDeviceStatus;
  }

  /** `id@node health` of each device. */
  get places(): string[] {
    return (this.found.discoveredDevices ?? []).map(
      ({ id, nodeName, health }) => `${id}@${nodeName} ${health}`,
    );
  }

  /** `id@node` of each agent. */
  get agents(): string[] {
    return (this.children as Listed[])
      .filter(({ kind }) => kind === "Deployment")
      .map(
        ({ metadata: { annotations = {} } }) =>
          `${annotations["hsm.j5t.io/device-id"]}@${annotations["hsm.j5t.io/node"]}`,
      );
  }
}

/** The agent of device `of` as that of an HSMDevice a-first, or of another device of its. */
export const otherAgent = (world: World, of: string, { id = of }: { id?: string }): Deployment => {
  const ours = Object.values(world.request().children["Deployment.apps/v1"] ?? {});
  const agent = ours.find(({ metadata }) => metadata.annotations?.["hsm.j5t.io/device-id"] === of);
  if (agent === undefined) throw new Error("no agent");
  const labels = { ...agent.metadata.labels, "hsm.j5t.io/hsmdevice": "a-first" };
  const annotations = { ...agent.metadata.annotations, "hsm.j5t.io/device-id": id };
  return {
    ...agent,
    metadata: { ...agent.metadata, name: "other", labels, annotations, ownerReferences: [] },
  };
};
