// SPDX-License-Identifier: Apache-2.0
// HSMSecret-like parents with a Secret each: what the engine creates, deletes, puts back and leaves alone.
import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { objectOrEmpty, valueAt } from "../../../scripts/control-plane/api/json.ts";
import type { ApplyStrategy } from "../../../scripts/control-plane/engine/engine.ts";
import {
  type Cluster,
  desiredSecret,
  hsmSecret,
  hsmSecretController,
  hsmSecrets,
  namespace,
  relatedSecret,
  startCluster,
} from "./cluster.ts";
import { type Answer, startHook } from "./throw-away-hook.ts";

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

async function scene(t: Test, answer: Answer, options: { strategy?: ApplyStrategy; method?: string } = {}) {
  const cluster = await startCluster(t);
  const hook = await startHook(answer);
  t.teardown(hook.close);
  const updateStrategy = { method: options.method ?? "InPlace" };
  const childResources = [{ apiVersion: "v1", resource: "secrets", updateStrategy }];
  await cluster.apply(namespace("demo"), hsmSecrets, hsmSecretController(hook, { childResources }));
  const engine = await cluster.engine({ applyStrategy: options.strategy ?? "server-side-apply" });
  return { cluster, hook, engine };
}

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

t.test(
  "server-side apply skips an answer that it has applied, so a hand-edited Secret is not put back",
  async (t) => {
    const [password, byHand] = [value(), value()];
    const { cluster, hook, engine } = await scene(t, answering({ password }));
    await cluster.apply(hsmSecret("app"));
    await engine.idle();
    await edit(cluster, { password: byHand });
    await touch(cluster);
    await engine.idle();
    t.strictSame(await dataOf(cluster), { password: byHand }, "the same answer changes nothing");

    const next = value();
    hook.answer(answering({ password: next }));
    await touch(cluster);
    await engine.idle();
    t.strictSame(await dataOf(cluster), { password: next }, "another answer is applied");

    // The hook's way to have it put back: any change of the answer's bytes.
    await edit(cluster, { password: byHand });
    hook.answer(({ path, body }) => {
      if (path.endsWith("customize")) return { body: relatedSecret(body) };
      const { metadata, ...rest } = { metadata: {}, ...desiredSecret(body, { password: next }) };
      return { body: { children: [{ ...rest, metadata: { ...metadata, annotations: { seen: "edit" } } }] } };
    });
    await touch(cluster);
    await engine.idle();
    t.strictSame(await dataOf(cluster), { password: next }, "the same data in other bytes is applied");
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

for (const strategy of ["server-side-apply", "dynamic-apply"] as const) {
  t.test(`under ${strategy}, the update strategy`, async (t) => {
    t.test("OnDelete changes a child only once somebody has deleted it", async (t) => {
      const [first, second] = [value(), value()];
      const { cluster, hook, engine } = await scene(t, answering({ key: first }), {
        strategy,
        method: "OnDelete",
      });
      await cluster.apply(hsmSecret("app"));
      await engine.idle();
      hook.answer(answering({ key: second }));
      await touch(cluster);
      await engine.idle();
      t.strictSame(await dataOf(cluster), { key: first });
      await cluster.kubectl(["delete", "secret", "app", "-n", "demo"]);
      await engine.idle();
      t.strictSame(await dataOf(cluster), { key: second });
    });
    t.test("Recreate deletes the child and makes it anew", async (t) => {
      const [first, second] = [value(), value()];
      const { cluster, hook, engine } = await scene(t, answering({ key: first }), {
        strategy,
        method: "Recreate",
      });
      await cluster.apply(hsmSecret("app"));
      await engine.idle();
      const before = await cluster.read(["secret", "app", "-n", "demo"]);
      hook.answer(answering({ key: second }));
      await touch(cluster);
      await engine.idle();
      const after = await cluster.read(["secret", "app", "-n", "demo"]);
      t.strictSame(after.data, { key: second });
      t.not(valueAt(after, ["metadata", "uid"]), valueAt(before, ["metadata", "uid"]));
    });
  });
}
