// SPDX-License-Identifier: Apache-2.0
// Tests the engine with a stale cache: it must not delete, adopt or overwrite because of it.
import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { type JsonObject, valueAt } from "../../api/json.ts";
import {
  desiredSecret,
  hsmSecret,
  hsmSecretController,
  hsmSecrets,
  namespace,
  relatedSecret,
  startCluster,
  toggleController,
  toggles,
} from "./cluster.ts";
import { startHookServer } from "./hook-server.ts";
import { startWatchProxy } from "./watch-proxy.ts";

const scene = async (t: Test) => {
  const cluster = await startCluster(t);
  const proxy = await startWatchProxy(cluster.apiUrl);
  const hook = await startHookServer(() => ({ body: { status: {}, children: [] } }));
  t.teardown(hook.close);
  t.teardown(proxy.close);
  await cluster.apply(namespace("demo"), hsmSecrets, toggles);
  const engine = await cluster.engine({ apiUrl: proxy.url });
  return { cluster, proxy, hook, engine };
};

t.test("a child that somebody has replaced since is not deleted in the place of the old one", async (t) => {
  const { cluster, proxy, hook, engine } = await scene(t);
  const key = randomBytes(12).toString("base64");
  hook.answer(({ path, body }) =>
    path.endsWith("customize")
      ? { body: relatedSecret(body) }
      : { body: { status: {}, children: [desiredSecret(body, { key })] } },
  );
  await cluster.apply(hsmSecretController(hook), hsmSecret("app"));
  await engine.idle();
  proxy.holdAfter("secrets", (line) => line.includes('"DELETED"') || line.includes("kept"));
  // From here on the engine sees no change of Secrets.
  await cluster.kubectl(["label", "secret", "app", "-n", "demo", "kept=1"]);
  await cluster.kubectl(["delete", "secret", "app", "-n", "demo"]);
  await cluster.kubectl(["create", "secret", "generic", "app", "-n", "demo", "--from-literal=theirs=1"]);

  hook.answer(({ path, body }) =>
    path.endsWith("customize") ? { body: relatedSecret(body) } : { body: { status: {}, children: [] } },
  );
  const from = cluster.syncs.length;
  await cluster.kubectl(["annotate", "hsmsecret", "app", "-n", "demo", "again=1"]);
  const failed = await cluster.synced(({ outcome }) => outcome === "failed", from);
  t.match(failed.message, /can't delete Secret demo\/app: Operation cannot be fulfilled on secrets "app"/);
  t.strictSame((await cluster.read(["secret", "app", "-n", "demo"])).data, { theirs: "MQ==" });
});

t.test(
  "a parent that has just been deleted adopts nothing, even where the engine has not seen that yet",
  async (t) => {
    const { cluster, proxy, hook, engine } = await scene(t);
    hook.answer(({ path }) => ({
      body: { status: {}, children: [], ...(path.endsWith("finalize") ? { finalized: false } : {}) },
    }));
    const toggle: JsonObject = {
      apiVersion: "toggle.j5t.io/v1alpha1",
      kind: "Toggle",
      metadata: { name: "web", namespace: "demo" },
      spec: { selector: { matchLabels: { app: "web" } } },
    };
    await cluster.apply(toggleController(hook), toggle);
    await engine.idle();
    proxy.holdAfter("toggles", (line) => line.includes("seen"));
    await cluster.kubectl(["annotate", "toggle", "web", "-n", "demo", "seen=1"]);
    await cluster.kubectl(["delete", "toggle", "web", "-n", "demo", "--wait=false"]);
    const from = cluster.syncs.length;
    await cluster.kubectl(["create", "deployment", "web", "-n", "demo", "--image=x"]);
    const failed = await cluster.synced(({ outcome }) => outcome === "failed", from);
    t.match(
      failed.message,
      /can't claim Deployment children: can't adopt Deployment demo\/web \(.*\): demo\/web has just been deleted at /,
    );
    const deployment = await cluster.read(["deployment", "web", "-n", "demo"]);
    t.equal(valueAt(deployment, ["metadata", "ownerReferences"]), undefined);
  },
);

t.test("a status that somebody wrote in between is not lost to an old read", async (t) => {
  const { cluster, hook, engine } = await scene(t);
  let written = false;
  hook.answer(async ({ path, body }) => {
    if (path.endsWith("customize")) return { body: relatedSecret(body) };
    if (!written) {
      written = true;
      const patch = JSON.stringify({ spec: { hsmPath: "secrets/demo/other" } });
      await cluster.kubectl(["patch", "hsmsecret", "app", "-n", "demo", "--type=merge", "-p", patch]);
    }
    return {
      body: { status: { path: valueAt(body, ["parent", "spec", "hsmPath"]) ?? "default" }, children: [] },
    };
  });
  await cluster.apply(hsmSecretController(hook), hsmSecret("app"));
  await engine.idle();
  const parent = await cluster.read(["hsmsecret", "app", "-n", "demo"]);
  t.strictSame(parent.status, { path: "secrets/demo/other", observedGeneration: 2 });
  t.strictSame(parent.spec, { hsmPath: "secrets/demo/other" });
});
