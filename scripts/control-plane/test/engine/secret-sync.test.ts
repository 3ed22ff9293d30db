// SPDX-License-Identifier: Apache-2.0
// Tests parents like HSMSecrets with a Secret each: what the engine creates, deletes, reverts and leaves alone.
import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { objectOrEmpty, valueAt } from "../../api/json.ts";
import type { ApplyStrategy } from "../../engine/engine.ts";
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
import { type Answer, startHookServer } from "./hook-server.ts";

const value = () => randomBytes(12).toString("base64");
const LAST_APPLIED = "metacontroller.k8s.io/last-applied-configuration";

/** Answers every parent with a Secret of these data, and lets a deleted parent go. */
const answering =
  (data: { [key: string]: string }): Answer =>
  ({ path, body }) => {
    if (path.endsWith("customize")) return { body: relatedSecret(body) };
    const answer = { status: { keys: Object.keys(data) }, children: [desiredSecret(body, data)] };
    return { body: path.endsWith("finalize") ? { ...answer, finalized: true } : answer };
  };

const scene = async (t: Test, answer: Answer, options: { strategy?: ApplyStrategy } = {}) => {
  const cluster = await startCluster(t);
  const hook = await startHookServer(answer);
  t.teardown(hook.close);
  await cluster.apply(namespace("demo"), hsmSecrets, hsmSecretController(hook));
  const engine = await cluster.engine({ applyStrategy: options.strategy ?? "server-side-apply" });
  return { cluster, hook, engine };
};

const dataOf = async (cluster: Cluster, name = "app") =>
  objectOrEmpty((await cluster.read(["secret", name, "-n", "demo"])).data);
const secretNames = (cluster: Cluster) => cluster.kubectl(["get", "secrets", "-n", "demo", "-o", "name"]);
const edit = (cluster: Cluster, data: object) =>
  cluster.kubectl(["patch", "secret", "app", "-n", "demo", "--type=merge", "-p", JSON.stringify({ data })]);
let marks = 0;
/** Brings on a sync with nothing changed that the hook reads. */
const touch = (cluster: Cluster) => {
  marks += 1;
  return cluster.kubectl(["annotate", "hsmsecret", "app", "-n", "demo", `mark-${marks}=x`]);
};

t.test("a child is made, and deleted when an answer leaves it out", async (t) => {
  const password = value();
  const { cluster, hook, engine } = await scene(t, answering({ password }));
  await cluster.apply(hsmSecret("app"));
  await engine.idle();
  const parent = await cluster.read(["hsmsecret", "app", "-n", "demo"]);
  t.strictSame(parent.status, { keys: ["password"], observedGeneration: 1 });
  t.strictSame(valueAt(parent, ["metadata", "finalizers"]), [
    "metacontroller.io/compositecontroller-hsmsecret",
  ]);
  const made = await cluster.read(["secret", "app", "-n", "demo"]);
  t.strictSame(made.data, { password });
  const uid = valueAt(parent, ["metadata", "uid"]);
  t.equal(valueAt(made, ["metadata", "labels", "controller-uid"]), uid);
  t.match(valueAt(made, ["metadata", "ownerReferences"]), [
    { uid, controller: true, blockOwnerDeletion: true },
  ]);

  hook.answer(({ path, body }) =>
    path.endsWith("customize") ? { body: relatedSecret(body) } : { body: { status: {}, children: [] } },
  );
  await touch(cluster);
  await engine.idle();
  t.equal(await secretNames(cluster), "");
});

t.test("a deleted parent is finalized, and its child goes with it", async (t) => {
  const { cluster, hook, engine } = await scene(t, answering({ password: value() }));
  await cluster.apply(hsmSecret("app"));
  await engine.idle();
  await cluster.kubectl(["delete", "hsmsecret", "app", "-n", "demo"]);
  const finalizing = hook.requests.filter(({ path }) => path === "/hsm/finalize");
  t.equal(finalizing.length, 1);
  t.equal(finalizing[0]?.body.finalizing, true);
  await engine.idle();
  t.equal(await secretNames(cluster), "");
});

t.test(
  "a foreign Secret is seen under related alone, and stays as it is where the hook refuses",
  async (t) => {
    const refusing: Answer = ({ path, body }) => ({
      body: path.endsWith("customize") ? relatedSecret(body) : { status: { refused: true }, children: [] },
    });
    const { cluster, hook, engine } = await scene(t, refusing);
    const theirs = value();
    await cluster.kubectl([
      "create",
      "secret",
      "generic",
      "app",
      "-n",
      "demo",
      `--from-literal=theirs=${theirs}`,
    ]);
    await cluster.apply(hsmSecret("app"));
    await engine.idle();
    const seen = hook.requests.find(({ path }) => path === "/hsm/sync")?.body ?? {};
    t.strictSame(seen.children, { "Secret.v1": {} });
    t.ok(valueAt(seen, ["related", "Secret.v1", "demo/app"]));
    t.strictSame(await dataOf(cluster), { theirs: Buffer.from(theirs).toString("base64") });
  },
);

t.test(
  "a child without the selector's label is let go of, and the hook of that sync sees it as nobody's",
  async (t) => {
    const seen: unknown[] = [];
    const answer = answering({ mine: value() });
    const { cluster, engine } = await scene(t, (call) => {
      const secret = valueAt(call.body, ["related", "Secret.v1", "demo/app"]);
      if (secret !== undefined) seen.push(valueAt(secret, ["metadata", "ownerReferences"]));
      return answer(call);
    });
    await cluster.apply(hsmSecret("app"));
    await engine.idle();
    seen.length = 0;
    await cluster.kubectl(["label", "secret", "app", "-n", "demo", "controller-uid-"]);
    await engine.idle();
    t.strictSame([seen.length > 0, seen[0] ?? []], [true, []], "it is released first");
  },
);

t.test("a foreign Secret that an answer names", async (t) => {
  const create = ["create", "secret", "generic", "app", "-n", "demo", "--from-literal=theirs=1"];
  t.test("is taken over by server-side apply", async (t) => {
    const mine = value();
    const { cluster, engine } = await scene(t, answering({ mine }));
    await cluster.kubectl(create);
    await cluster.apply(hsmSecret("app"));
    await engine.idle();
    t.strictSame(await dataOf(cluster), { mine, theirs: "MQ==" });
  });
  t.test("is left alone, silently, by dynamic apply", async (t) => {
    const { cluster, engine } = await scene(t, answering({ mine: value() }), { strategy: "dynamic-apply" });
    await cluster.kubectl(create);
    await cluster.apply(hsmSecret("app"));
    await engine.idle();
    t.strictSame(await dataOf(cluster), { theirs: "MQ==" });
    t.ok(cluster.syncs.length > 0 && cluster.syncs.every(({ outcome }) => outcome === "synced"));
  });
});

t.test("the same answer is applied anew to a hand-edited Secret alone, and goes out once", async (t) => {
  const password = value();
  const { cluster, engine } = await scene(t, answering({ password }));
  await cluster.apply(hsmSecret("app"));
  await engine.idle();
  const version = async () =>
    valueAt(await cluster.read(["secret", "app", "-n", "demo"]), ["metadata", "resourceVersion"]);
  const made = await version();
  await touch(cluster);
  await engine.idle();
  t.equal(await version(), made, "a Secret that nobody has edited is left alone");

  await edit(cluster, { password: value() });
  await engine.idle();
  t.strictSame(await dataOf(cluster), { password }, "a Secret has no generation: its resourceVersion tells");
});

t.test(
  "the same answer is applied to an object of the same name and generation that has another uid",
  async (t) => {
    const { cluster, hook } = await scene(t, ({ path, body }) => {
      if (path.endsWith("finalize")) return { body: { status: {}, children: [], finalized: true } };
      const labels = { app: "web" };
      const child = { apiVersion: "apps/v1", kind: "Deployment", metadata: { ...parentOf(body), labels } };
      const owned = Object.keys(objectOrEmpty(valueAt(body, ["children", "Deployment.apps/v1"]))).length > 0;
      return { body: { status: {}, children: owned ? [{ ...child, spec: { replicas: 3 } }] : [] } };
    });
    await cluster.apply(toggles, toggleController(hook));
    const engine = await cluster.engine();
    const create = ["create", "deployment", "web", "-n", "demo", "--image=x"];
    await cluster.kubectl(create);
    await cluster.apply({
      apiVersion: "toggle.j5t.io/v1alpha1",
      kind: "Toggle",
      metadata: { name: "web", namespace: "demo" },
      spec: { selector: { matchLabels: { app: "web" } } },
    });
    await engine.idle();
    const replicas = async () => {
      const { spec, metadata } = await cluster.read(["deployment", "web", "-n", "demo"]);
      return [valueAt(spec, ["replicas"]), valueAt(metadata, ["generation"])];
    };
    t.strictSame(await replicas(), [3, 2]);
    await cluster.kubectl(["delete", "deployment", "web", "-n", "demo"]);
    // It gets as far as the generation of the old one before the engine may adopt it.
    await cluster.kubectl([...create, "--dry-run=client", "-o", "json"]).then((text) => {
      const { metadata, ...rest } = JSON.parse(text);
      return cluster.apply({ ...rest, metadata: { name: metadata.name, namespace: metadata.namespace } });
    });
    await cluster.kubectl(["scale", "deployment", "web", "-n", "demo", "--replicas=5"]);
    t.strictSame(await replicas(), [5, 2]);
    await cluster.kubectl(["label", "deployment", "web", "-n", "demo", "app=web"]);
    await engine.idle();
    t.equal((await replicas())[0], 3);
  },
);

t.test("a Secret that was deleted by hand is made again", async (t) => {
  const password = value();
  const { cluster, engine } = await scene(t, answering({ password }));
  await cluster.apply(hsmSecret("app"));
  await engine.idle();
  await cluster.kubectl(["delete", "secret", "app", "-n", "demo"]);
  await engine.idle();
  t.strictSame(await dataOf(cluster), { password });
});

t.test("dynamic apply keeps the last answer in an annotation and puts back what was edited", async (t) => {
  const [password, old] = [value(), value()];
  const { cluster, hook, engine } = await scene(t, answering({ password, old }), {
    strategy: "dynamic-apply",
  });
  await cluster.apply(hsmSecret("app"));
  await engine.idle();
  const made = await cluster.read(["secret", "app", "-n", "demo"]);
  t.match(valueAt(made, ["metadata", "annotations", LAST_APPLIED]), password);

  await edit(cluster, { password: value(), theirs: "MQ==" });
  await engine.idle();
  t.strictSame(
    await dataOf(cluster),
    { password, old, theirs: "MQ==" },
    "its own keys come back, others stay",
  );

  hook.answer(answering({ password, added: old }));
  await touch(cluster);
  await engine.idle();
  t.strictSame(
    await dataOf(cluster),
    { password, added: old, theirs: "MQ==" },
    "a key that the answer drops is removed",
  );

  hook.answer(answering({ password }));
  await touch(cluster);
  await engine.idle();
  t.strictSame(
    await dataOf(cluster),
    { password, theirs: "MQ==" },
    "and so is one that a later answer had added",
  );
});

t.test("server-side apply removes the annotation that dynamic apply left", async (t) => {
  const password = value();
  const { cluster, engine } = await scene(t, answering({ password }), { strategy: "dynamic-apply" });
  await cluster.apply(hsmSecret("app"));
  await engine.idle();
  await engine.close();
  const after = await cluster.engine();
  await after.idle();
  const secret = await cluster.read(["secret", "app", "-n", "demo"]);
  t.equal(valueAt(secret, ["metadata", "annotations", LAST_APPLIED]), undefined);
  t.strictSame(secret.data, { password });
});
