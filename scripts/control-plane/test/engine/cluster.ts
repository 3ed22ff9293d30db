// SPDX-License-Identifier: Apache-2.0
// Sets up the engine's tests: the API server, kubectl, definitions, controllers and the engine itself.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Test } from "tap";
import { isObject, type Json, type JsonObject, toJson, valueAt } from "../../api/json.ts";
import { startApiServer } from "../../api/server.ts";
import { createKubeClient, type KubeClient, type ResourceInfo } from "../../client.ts";
import {
  type ApplyStrategy,
  type Engine,
  type EngineOptions,
  type SyncRecord,
  startEngine,
} from "../../engine/engine.ts";
import type { HookServer } from "./hook-server.ts";

export type Cluster = {
  apiUrl: string;
  /** A folder for the test's files. */
  dir: string;
  client: KubeClient;
  /** Runs kubectl with the input as its standard input, and answers its output; throws where kubectl fails. */
  kubectl: (args: string[], input?: string | object) => Promise<string>;
  /** `kubectl apply` of these objects, in one call. */
  apply: (...objects: JsonObject[]) => Promise<void>;
  /** `kubectl get … -o json`. */
  read: (args: string[]) => Promise<JsonObject>;
  /** Starts an engine that the test's end stops. */
  engine: (options?: Partial<EngineOptions> & { applyStrategy?: ApplyStrategy }) => Promise<Engine>;
  /** Every sync that any of the engines reported. */
  syncs: SyncRecord[];
  /** Resolves at the first sync, from `from` on, that fits. */
  synced: (fits: (record: SyncRecord) => boolean, from?: number) => Promise<SyncRecord>;
};

const run = promisify(execFile);

export const startCluster = async (t: Test): Promise<Cluster> => {
  const api = await startApiServer();
  const dir = mkdtempSync(join(tmpdir(), "keyswitch-engine-"));
  const kubeconfig = join(dir, "kubeconfig");
  await api.kubeconfig(kubeconfig);
  const client = createKubeClient(api.url, "test");
  const engines: Engine[] = [];
  const syncs: SyncRecord[] = [];
  const waiting: { fits: (record: SyncRecord) => boolean; resolve: (record: SyncRecord) => void }[] = [];
  t.teardown(async () => {
    for (const engine of engines) await engine.close();
    await client.close();
    await api.close();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  const kubectl: Cluster["kubectl"] = async (args, input) => {
    const settings = ["--kubeconfig", kubeconfig, "--cache-dir", join(dir, "cache")];
    const running = run("kubectl", [...settings, ...args], { maxBuffer: 64 * 1024 * 1024 });
    const text = typeof input === "object" ? JSON.stringify(input) : (input ?? "");
    running.child.stdin?.end(text);
    return (await running).stdout;
  };
  return {
    apiUrl: api.url,
    dir,
    client,
    kubectl,
    apply: async (...items) => {
      await kubectl(["apply", "-f", "-"], { apiVersion: "v1", kind: "List", items });
    },
    read: async (args) => {
      const object = toJson(
        JSON.parse(await kubectl(["get", ...args, "-o", "json", "--show-managed-fields"])),
      );
      if (!isObject(object)) throw new Error("kubectl get answers an object");
      return object;
    },
    engine: async (options = {}) => {
      const engine = await startEngine({
        apiUrl: api.url,
        applyStrategy: "server-side-apply",
        onSync: (record) => {
          syncs.push(record);
          for (const { fits, resolve } of waiting) if (fits(record)) resolve(record);
        },
        ...options,
      });
      engines.push(engine);
      return {
        ...engine,
        close: async () => {
          engines.splice(engines.indexOf(engine), 1);
          await engine.close();
        },
      };
    },
    syncs,
    synced: (fits, from = 0) => {
      const past = syncs.slice(from).find(fits);
      if (past) return Promise.resolve(past);
      return new Promise((resolve) => waiting.push({ fits, resolve }));
    },
  };
};

/** A definition without a schema, as in the recordings. */
const definition = (group: string, kind: string, plural: string): JsonObject => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: "Namespaced",
    names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
    versions: [
      {
        name: "v1alpha1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
});

export const hsmSecrets = definition("hsm.j5t.io", "HSMSecret", "hsmsecrets");
export const toggles = definition("toggle.j5t.io", "Toggle", "toggles");
export const namespace = (name: string): JsonObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name },
});

type HookName = "customize" | "sync" | "finalize";

/** A CompositeController whose hooks are at `<hook>/<path>/{customize,sync,finalize}`. */
export const controller = (options: {
  name: string;
  hook: HookServer;
  path: string;
  hooks: HookName[];
  parent: { apiVersion: string; resource: string; [field: string]: Json };
  child: { apiVersion: string; resource: string };
  spec?: JsonObject;
}): JsonObject => {
  const { name, hook, path, hooks, parent, child, spec = {} } = options;
  return {
    apiVersion: "metacontroller.k8s.io/v1alpha1",
    kind: "CompositeController",
    metadata: { name },
    spec: {
      childResources: [{ ...child, updateStrategy: { method: "InPlace" } }],
      hooks: Object.fromEntries(
        hooks.map((part) => [part, { version: "v2", webhook: { url: hook.url(`/${path}/${part}`) } }]),
      ),
      parentResource: parent,
      ...spec,
    },
  };
};

export const hsmSecretController = (hook: HookServer, spec: JsonObject = {}): JsonObject =>
  controller({
    name: "hsmsecret",
    hook,
    path: "hsm",
    hooks: ["customize", "sync", "finalize"],
    parent: { apiVersion: "hsm.j5t.io/v1alpha1", resource: "hsmsecrets" },
    child: { apiVersion: "v1", resource: "secrets" },
    spec: { generateSelector: true, ...spec },
  });

export const toggleController = (hook: HookServer): JsonObject =>
  controller({
    name: "toggle",
    hook,
    path: "toggle",
    hooks: ["sync", "finalize"],
    parent: { apiVersion: "toggle.j5t.io/v1alpha1", resource: "toggles" },
    child: { apiVersion: "apps/v1", resource: "deployments" },
  });

export const hsmSecret = (name: string, spec: JsonObject = {}): JsonObject => ({
  apiVersion: "hsm.j5t.io/v1alpha1",
  kind: "HSMSecret",
  metadata: { name, namespace: "demo" },
  spec,
});

export const secrets: ResourceInfo = {
  apiVersion: "v1",
  kind: "Secret",
  plural: "secrets",
  namespaced: true,
  hasStatus: false,
};

/** The events about one object, oldest first. */
export const eventsOf = async (cluster: Cluster, name: string, reason: string): Promise<JsonObject[]> => {
  const { items } = await cluster.read(["events", "-A"]);
  return (Array.isArray(items) ? items : [])
    .filter(isObject)
    .filter((event) => event.reason === reason && valueAt(event, ["involvedObject", "name"]) === name);
};

/** The name and namespace of a request's parent. */
export const parentOf = (body: JsonObject): { name: string; namespace: string } => {
  const parent = body.parent;
  const metadata = isObject(parent) ? parent.metadata : undefined;
  if (!isObject(metadata)) throw new Error("a hook request has a parent");
  return { name: String(metadata.name), namespace: String(metadata.namespace) };
};

/** The customize answer that lists the Secret of the parent's name. */
export const relatedSecret = (body: JsonObject): object => {
  const { name, namespace: of } = parentOf(body);
  return { relatedResources: [{ apiVersion: "v1", resource: "secrets", namespace: of, names: [name] }] };
};

/** The desired Secret of the parent's name. */
export const desiredSecret = (body: JsonObject, data: { [key: string]: string }): object => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: parentOf(body),
  type: "Opaque",
  data,
});
