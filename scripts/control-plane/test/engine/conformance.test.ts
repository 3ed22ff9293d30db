// SPDX-License-Identifier: Apache-2.0
// Tests that the engine makes every request that was recorded from Metacontroller 4.17.2, byte for byte after normalization.
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import t, { type Test } from "tap";
import { isObject, type Json, type JsonObject, objectOrEmpty, toJson, valueAt } from "../../api/json.ts";
import { startDeploymentController } from "../../engine/deployment-controller.ts";
import {
  type Cluster,
  desiredSecret,
  hsmSecret,
  hsmSecretController,
  hsmSecrets,
  namespace,
  parentOf,
  relatedSecret,
  startCluster,
  toggleController,
  toggles,
} from "./cluster.ts";
import { type Answer, type HookServer, type Recorded, startHookServer } from "./hook-server.ts";
import { normalised } from "./normalised.ts";
import { startWatchProxy } from "./watch-proxy.ts";

const folder = new URL("../../../../test/fixtures/metacontroller-4.17.2/", import.meta.url);
type Scene = { cluster: Cluster; hook: HookServer; t: Test };

const fixture = (name: string): { headers: JsonObject; body: JsonObject } => {
  const { headers, body } = objectOrEmpty(toJson(JSON.parse(readFileSync(new URL(name, folder), "utf8"))));
  if (!isObject(headers) || !isObject(body)) throw new Error(`${name} has no headers or body`);
  return { headers, body };
};

const keysAt = (body: JsonObject, group: string, type: string) =>
  Object.keys(objectOrEmpty(valueAt(body, [group, type])));
const sync = ({ path }: Recorded) => path.endsWith("/sync");
const finalize = ({ path }: Recorded) => path.endsWith("/finalize");

// The value that the recordings hold.
const recordedData = { password: "czNjcjN0" };
const hsmAnswer: Answer = ({ path, body }) => {
  if (path.endsWith("customize")) return { body: relatedSecret(body) };
  const kids = keysAt(body, "children", "Secret.v1");
  const related = keysAt(body, "related", "Secret.v1");
  // An object of the name that is not ours is left alone.
  const children = related.length > kids.length ? [] : [desiredSecret(body, recordedData)];
  return {
    body: { status: { kids, related }, children, ...(path.endsWith("finalize") ? { finalized: true } : {}) },
  };
};

const hsmScene = async ({ cluster, hook }: Scene): Promise<void> => {
  hook.answer(hsmAnswer);
  await cluster.kubectl(["apply", "-f", "-"], namespace("demo"));
  await cluster.kubectl(["apply", "-f", "-"], hsmSecrets);
  await cluster.kubectl(["apply", "-f", "-"], hsmSecretController(hook));
};

/** Makes demo/app and its Secret, and lets everything come to rest. */
const settledApp = async (scene: Scene): Promise<void> => {
  const { cluster, hook } = scene;
  await hsmScene(scene);
  const engine = await cluster.engine();
  await cluster.kubectl(["apply", "-f", "-"], hsmSecret("app"));
  await hook.seen((request) => sync(request) && keysAt(request.body, "children", "Secret.v1").length === 1);
  await engine.idle();
};

const clawdbot = (enabled: boolean, replicas: number): JsonObject => ({
  apiVersion: "toggle.j5t.io/v1alpha1",
  kind: "Toggle",
  metadata: { name: "clawdbot", namespace: "claw" },
  spec: { deploymentName: "clawdbot", enabled, replicas, selector: { matchLabels: { app: "clawdbot" } } },
});

const toggleAnswer: Answer = ({ path, body }) => {
  const parent = objectOrEmpty(body.parent);
  const spec = objectOrEmpty(parent.spec);
  const child = valueAt(body, ["children", "Deployment.apps/v1", "claw/clawdbot"]);
  const replicas = spec.enabled ? spec.replicas : 0;
  const desired = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { ...parentOf(body), labels: { app: "clawdbot" } },
    spec: { replicas },
  };
  const seen = isObject(child) ? 1 : 0;
  const status = { ready: valueAt(child, ["status", "readyReplicas"]) ?? 0, replicas, seen };
  if (!path.endsWith("finalize")) return { body: { status, children: [desired] } };
  return { body: { status: { blocked: true }, children: [desired], finalized: seen === 0 } };
};

const toggleScene = async (
  { cluster, hook, t }: Scene,
  enabled: boolean,
  replicas: number,
): Promise<void> => {
  hook.answer(toggleAnswer);
  const deployments = startDeploymentController({ apiUrl: cluster.apiUrl, readyAfterMs: "never" });
  t.teardown(deployments.close);
  await cluster.kubectl(["apply", "-f", "-"], namespace("claw"));
  await cluster.kubectl(["apply", "-f", "-"], toggles);
  await cluster.kubectl(["create", "deployment", "clawdbot", "-n", "claw", "--image=x"]);
  await deployments.settled();
  await cluster.kubectl(["apply", "-f", "-"], toggleController(hook));
  const engine = await cluster.engine();
  await cluster.kubectl(["apply", "-f", "-"], clawdbot(enabled, replicas));
  await hook.seen(sync);
  await engine.idle();
  await deployments.settled();
  await engine.idle();
};

/** Enables the Toggle as another program would, with a patch. */
const patchEnabled = async ({ cluster }: Scene, enabled: boolean): Promise<void> => {
  const patch = JSON.stringify({ spec: { enabled } });
  await cluster.kubectl(["patch", "toggle", "clawdbot", "-n", "claw", "--type=merge", "-p", patch]);
};

/** The two steps that take a Toggle away and leave its Deployment. */
const orphan = async (scene: Scene): Promise<Recorded[]> => {
  const { cluster, hook, t } = scene;
  const proxy = await startWatchProxy(cluster.apiUrl);
  t.teardown(proxy.close);
  hook.answer(toggleAnswer);
  const deployments = startDeploymentController({ apiUrl: cluster.apiUrl, readyAfterMs: "never" });
  t.teardown(deployments.close);
  await cluster.kubectl(["apply", "-f", "-"], namespace("claw"));
  await cluster.kubectl(["apply", "-f", "-"], toggles);
  await cluster.kubectl(["create", "deployment", "clawdbot", "-n", "claw", "--image=x"]);
  await deployments.settled();
  await cluster.kubectl(["apply", "-f", "-"], toggleController(hook));
  const engine = await cluster.engine({ apiUrl: proxy.url });
  await cluster.kubectl(["apply", "-f", "-"], clawdbot(true, 3));
  await hook.seen(sync);
  await engine.idle();
  await deployments.settled();
  await engine.idle();
  await cluster.kubectl(["delete", "toggle", "clawdbot", "-n", "claw", "--wait=false"]);
  await hook.seen(finalize);
  await engine.idle();
  // The garbage collector may be slower than our watch, or faster; here the engine sees each of its steps.
  proxy.holdAfter("toggles", (line) => line.includes('"orphan"'));
  const from = hook.requests.length;
  await cluster.kubectl(["delete", "toggle", "clawdbot", "-n", "claw", "--cascade=orphan", "--wait=false"]);
  await hook.seen(({ body }) => keysAt(body, "children", "Deployment.apps/v1").length === 0, from);
  return hook.requests.slice(from);
};

const scenes: { [fixture: string]: (scene: Scene) => Promise<Recorded> } = {
  "hsmsecret-customize.json": async (scene) => {
    await settledApp(scene);
    // Another engine has not asked yet.
    const from = scene.hook.requests.length;
    await scene.cluster.engine();
    return scene.hook.seen(({ path }) => path.endsWith("customize"), from);
  },
  "hsmsecret-sync-no-child.json": async (scene) => {
    await hsmScene(scene);
    await scene.cluster.engine();
    await scene.cluster.kubectl(["apply", "-f", "-"], hsmSecret("app"));
    return scene.hook.seen(sync);
  },
  "hsmsecret-sync-owned-child-ssa.json": async (scene) => {
    await settledApp(scene);
    const last = scene.hook.requests.filter(sync).at(-1);
    if (!last) throw new Error("no sync request");
    return last;
  },
  "hsmsecret-sync-owned-child-dynamic-apply.json": async (scene) => {
    const { cluster, hook, t } = scene;
    await hsmScene(scene);
    const proxy = await startWatchProxy(cluster.apiUrl);
    t.teardown(proxy.close);
    proxy.holdAfter("hsmsecrets", (line) => line.includes("compositecontroller-hsmsecret"));
    await cluster.engine({ applyStrategy: "dynamic-apply", apiUrl: proxy.url });
    await cluster.kubectl(["apply", "-f", "-"], hsmSecret("app"));
    return hook.seen(
      (request) => sync(request) && keysAt(request.body, "children", "Secret.v1").length === 1,
    );
  },
  "hsmsecret-sync-foreign-secret-in-related.json": async (scene) => {
    const { cluster, hook } = scene;
    await hsmScene(scene);
    await cluster.kubectl([
      "create",
      "secret",
      "generic",
      "existing2",
      "-n",
      "demo",
      "--from-literal=foreign=1",
    ]);
    const engine = await cluster.engine();
    await cluster.kubectl(["apply", "-f", "-"], hsmSecret("existing2"));
    await hook.seen(sync);
    await engine.idle();
    const last = hook.requests.filter(sync).at(-1);
    if (!last) throw new Error("no sync request");
    return last;
  },
  "hsmsecret-finalize-owned-child.json": async (scene) => {
    await settledApp(scene);
    await scene.cluster.kubectl(["delete", "hsmsecret", "app", "-n", "demo", "--wait=false"]);
    return scene.hook.seen(finalize);
  },
  "toggle-sync-enabled-while-at-zero.json": async (scene) => {
    await toggleScene(scene, false, 2);
    const from = scene.hook.requests.length;
    await patchEnabled(scene, true);
    return scene.hook.seen(sync, from);
  },
  "toggle-sync-disabled-at-zero.json": async (scene) => {
    await toggleScene(scene, false, 2);
    await patchEnabled(scene, true);
    await scene.hook.seen(
      ({ body }) =>
        valueAt(body, ["children", "Deployment.apps/v1", "claw/clawdbot", "status", "replicas"]) === 2,
    );
    await patchEnabled(scene, false);
    const at = (body: JsonObject, ...path: string[]): Json | undefined => valueAt(body, path);
    return scene.hook.seen(({ body }) => {
      const deployment = at(body, "children", "Deployment.apps/v1", "claw/clawdbot");
      return (
        valueAt(deployment, ["status", "observedGeneration"]) === 4 &&
        at(body, "parent", "status", "observedGeneration") === 3
      );
    });
  },
  "toggle-finalize-owned-child.json": async (scene) => {
    await toggleScene(scene, true, 3);
    await scene.cluster.kubectl(["delete", "toggle", "clawdbot", "-n", "claw", "--wait=false"]);
    return scene.hook.seen(finalize);
  },
  "toggle-finalize-orphan-requested.json": async (scene) => {
    const [first] = await orphan(scene);
    if (!first) throw new Error("no finalize request");
    return first;
  },
  "toggle-finalize-after-orphan.json": async (scene) => {
    const last = (await orphan(scene)).at(-1);
    if (!last) throw new Error("no finalize request");
    return last;
  },
};

const recordings = readdirSync(folder).filter((name) => name.endsWith(".json"));
t.strictSame(Object.keys(scenes).sort(), recordings.sort(), "every recording has its scene");

for (const [name, scene] of Object.entries(scenes)) {
  t.test(`the request of ${name}`, async (t) => {
    const cluster = await startCluster(t);
    const hook = await startHookServer(() => ({ status: 500, text: randomBytes(4).toString("hex") }));
    t.teardown(hook.close);
    const made = normalised(await scene({ cluster, hook, t }));
    const recorded = normalised(fixture(name));
    t.strictSame(made.headers, recorded.headers, "headers");
    t.strictSame(made.body, recorded.body, "body");
  });
}
