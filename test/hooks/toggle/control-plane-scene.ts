// SPDX-License-Identifier: Apache-2.0
// Sets up a local control plane with the Toggle hooks and a Deployment.
import { Value } from "@sinclair/typebox/value";
import type { Test } from "tap";
import { customize, ToggleCustomizeRequest, ToggleSyncRequest } from "../../../hooks/toggle/index.ts";
import { type JsonObject, valueAt } from "../../../scripts/control-plane/api/json.ts";
import { startDeploymentController } from "../../../scripts/control-plane/engine/deployment-controller.ts";
import {
  controller,
  namespace,
  startCluster,
  toggles,
} from "../../../scripts/control-plane/test/engine/cluster.ts";
import { type Answer, startHookServer } from "../../../scripts/control-plane/test/engine/hook-server.ts";
import { finalize, sync } from "./hooks.ts";

/** What the installation of a test allows. */
type Installation = { templates: boolean };

const hooksOf =
  (installation: Installation): Answer =>
  ({ path, body }) => {
    const context = { now: new Date().toISOString(), startTimeoutSeconds: 600, ...installation };
    if (Value.Check(ToggleSyncRequest, body)) {
      const { response } = path.endsWith("finalize") ? finalize(body, context) : sync(body, context);
      return { body: response };
    }
    if (Value.Check(ToggleCustomizeRequest, body)) return { body: customize(body.parent, body.controller) };
    return { status: 400 };
  };

export const toggle = (name: string, spec: JsonObject = {}): JsonObject => ({
  apiVersion: "toggle.j5t.io/v1alpha1",
  kind: "Toggle",
  metadata: { name, namespace: "demo" },
  spec: { selector: { matchLabels: { app: "web" } }, ...spec },
});

export const on = { enabled: true };

/** A cluster with a Deployment demo/web of 3 replicas, app=web, whose pods come up unless `readyAfterMs` says never. */
export const scene = async (t: Test, { readyAfterMs = 20 }: { readyAfterMs?: number | "never" } = {}) => {
  const cluster = await startCluster(t);
  const installation: Installation = { templates: true };
  const hook = await startHookServer(hooksOf(installation));
  const deployments = startDeploymentController({ apiUrl: cluster.apiUrl, readyAfterMs });
  t.teardown(deployments.close);
  t.teardown(hook.close);
  const definition = controller({
    name: "toggle",
    hook,
    path: "toggle",
    hooks: ["customize", "sync", "finalize"],
    parent: { apiVersion: "toggle.j5t.io/v1alpha1", resource: "toggles", ignoreStatusChanges: true },
    child: { apiVersion: "apps/v1", resource: "deployments" },
    spec: {
      childResources: ["deployments", "statefulsets"].map((resource) => ({
        apiVersion: "apps/v1",
        resource,
        updateStrategy: { method: "InPlace" },
      })),
    },
  });
  await cluster.apply(namespace("demo"), toggles, definition);
  const kubectl = (...args: string[]) => cluster.kubectl([...args, "-n", "demo"]);
  const make = (name: string, replicas: number) =>
    kubectl("create", "deployment", name, "--image=x", `--replicas=${replicas}`);
  await make("web", 3);
  let engine = await cluster.engine();
  const settle = async () => {
    await engine.idle();
    await deployments.settled();
    await engine.idle();
  };
  const set = async (name: string, spec: JsonObject) => {
    await kubectl("patch", "toggle", name, "--type=merge", "-p", JSON.stringify({ spec }));
    await settle();
  };
  return {
    cluster,
    hook,
    installation,
    kubectl,
    make,
    settle,
    set,
    apply: async (...objects: JsonObject[]) => {
      await cluster.apply(...objects);
      await settle();
    },
    restart: async () => {
      await engine.close();
      engine = await cluster.engine();
      await settle();
    },
    replicas: async (name: string) =>
      valueAt(await cluster.read(["deployment", name, "-n", "demo"]), ["spec", "replicas"]),
    status: async (name: string) => (await cluster.read(["toggle", name, "-n", "demo"])).status,
  };
};
