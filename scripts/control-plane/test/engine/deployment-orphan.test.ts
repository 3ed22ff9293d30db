// SPDX-License-Identifier: Apache-2.0
// Tests a parent like a Toggle with an existing Deployment: adoption, release, reverted edits, and orphaning.
import t, { type Test } from "tap";
import { isObject, type JsonObject, objectOrEmpty, valueAt } from "../../api/json.ts";
import { startDeploymentController } from "../../engine/deployment-controller.ts";
import { namespace, parentOf, startCluster, toggleController, toggles } from "./cluster.ts";
import { type Answer, startHookServer } from "./hook-server.ts";

const toggle = (replicas: number, selector: JsonObject = { matchLabels: { app: "web" } }): JsonObject => ({
  apiVersion: "toggle.j5t.io/v1alpha1",
  kind: "Toggle",
  metadata: { name: "web", namespace: "demo" },
  spec: { replicas, selector },
});

/** Scales what is there; while the parent goes, re-lists the child until it is orphaned. */
const scaling: Answer = ({ path, body }) => {
  const replicas = valueAt(body, ["parent", "spec", "replicas"]) ?? null;
  const children = Object.values(objectOrEmpty(valueAt(body, ["children", "Deployment.apps/v1"]))).filter(
    isObject,
  );
  const listed = children.map((child) => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { ...parentOf(body), name: valueAt(child, ["metadata", "name"]), labels: { app: "web" } },
    spec: { replicas },
  }));
  const answer = { status: { blocked: path.endsWith("finalize") }, children: listed };
  return { body: path.endsWith("finalize") ? { ...answer, finalized: children.length === 0 } : answer };
};

/** The same request, for a parent that asks for other replicas. */
const withReplicas = (body: JsonObject, replicas: number): JsonObject => {
  const parent = objectOrEmpty(body.parent);
  return { ...body, parent: { ...parent, spec: { ...objectOrEmpty(parent.spec), replicas } } };
};

const scene = async (t: Test) => {
  const cluster = await startCluster(t);
  const hook = await startHookServer(scaling);
  const deployments = startDeploymentController({ apiUrl: cluster.apiUrl, readyAfterMs: 20 });
  t.teardown(deployments.close);
  t.teardown(hook.close);
  await cluster.apply(namespace("demo"), toggles, toggleController(hook));
  await cluster.kubectl(["create", "deployment", "web", "-n", "demo", "--image=x"]);
  const engine = await cluster.engine();
  await cluster.apply(toggle(3));
  const settle = async () => {
    await engine.idle();
    await deployments.settled();
    await engine.idle();
  };
  await settle();
  const web = () => cluster.read(["deployment", "web", "-n", "demo"]);
  return { cluster, hook, settle, web };
};

t.test("a Deployment that matches the selector is adopted, scaled and becomes ready", async (t) => {
  const { cluster, web } = await scene(t);
  const deployment = await web();
  const parent = await cluster.read(["toggle", "web", "-n", "demo"]);
  t.match(valueAt(deployment, ["metadata", "ownerReferences"]), [
    { uid: valueAt(parent, ["metadata", "uid"]) },
  ]);
  t.match(deployment.status, { replicas: 3, readyReplicas: 3, availableReplicas: 3, observedGeneration: 2 });
  t.equal(valueAt(deployment, ["metadata", "annotations", "deployment.kubernetes.io/revision"]), "1");
  await cluster.kubectl(["rollout", "status", "deployment/web", "-n", "demo", "--timeout=60s"]);
});

t.test("a Deployment has a generation, so what was scaled by hand is put back", async (t) => {
  const { cluster, settle, web } = await scene(t);
  await cluster.kubectl(["scale", "deployment", "web", "-n", "demo", "--replicas=7"]);
  await settle();
  t.equal(valueAt(await web(), ["spec", "replicas"]), 3);
});

t.test("a Deployment whose labels stop matching is released, not deleted", async (t) => {
  const { cluster, settle, web } = await scene(t);
  await cluster.kubectl(["label", "deployment", "web", "-n", "demo", "app=other", "--overwrite"]);
  await settle();
  t.equal(valueAt(await web(), ["metadata", "ownerReferences"]), undefined);
});

t.test(
  "a second Deployment that the selector matches is adopted too, and deleted when the answer leaves it out",
  async (t) => {
    const { cluster, hook, settle } = await scene(t);
    hook.answer((request) => {
      const reply = scaling(request);
      if (!("body" in reply) || !isObject(Object(reply.body))) return reply;
      const { children, ...rest } = Object(reply.body);
      const kept = children.filter((child: { metadata: { name: string } }) => child.metadata.name === "web");
      return { body: { ...rest, children: kept } };
    });
    await cluster.kubectl(["create", "deployment", "second", "-n", "demo", "--image=x"]);
    await cluster.kubectl(["label", "deployment", "second", "-n", "demo", "app=web", "--overwrite"]);
    await settle();
    t.equal(
      await cluster.kubectl(["get", "deployments", "-n", "demo", "-o", "name"]),
      "deployment.apps/web\n",
    );
  },
);

t.test("a Deployment of another parent is nobody else's child, although the selector matches", async (t) => {
  const { cluster, hook, settle, web } = await scene(t);
  const before = valueAt(await web(), ["metadata", "ownerReferences"]);
  const from = hook.requests.length;
  const second = toggle(9);
  await cluster.apply({ ...second, metadata: { name: "second", namespace: "demo" } });
  await settle();
  const ofSecond = hook.requests.slice(from).filter(({ body }) => parentOf(body).name === "second");
  t.ok(ofSecond.length > 0);
  for (const { body } of ofSecond) t.strictSame(body.children, { "Deployment.apps/v1": {} });
  t.strictSame(valueAt(await web(), ["metadata", "ownerReferences"]), before);
  t.equal(valueAt(await web(), ["spec", "replicas"]), 3);
});

t.test("a child that is deleted by hand brings on a sync that sees it gone", async (t) => {
  const { cluster, hook } = await scene(t);
  const from = hook.requests.length;
  await cluster.kubectl(["delete", "deployment", "web", "-n", "demo"]);
  const { body } = await hook.seen(() => true, from);
  t.strictSame(body.children, { "Deployment.apps/v1": {} });
});

t.test("an empty selector is refused with an event: it would select everything", async (t) => {
  const { cluster } = await scene(t);
  const from = cluster.syncs.length;
  await cluster.apply(toggle(3, {}));
  await cluster.kubectl([
    "patch",
    "toggle",
    "web",
    "-n",
    "demo",
    "--type=json",
    "-p",
    '[{"op":"remove","path":"/spec/selector"}]',
  ]);
  const failed = await cluster.synced(({ message = "" }) => message.includes("matchLabels"), from);
  t.equal(failed.message, ".spec.selector must have either matchLabels, matchExpressions, or both");
});

t.test(
  "kubectl delete waits for the finalize hook; --cascade=orphan then frees parent and Deployment",
  async (t) => {
    const { cluster, hook, settle, web } = await scene(t);
    const uid = valueAt(await web(), ["metadata", "uid"]);
    await cluster.kubectl(["delete", "toggle", "web", "-n", "demo", "--wait=false"]);
    await settle();
    const blocked = await cluster.read(["toggle", "web", "-n", "demo"]);
    t.strictSame(blocked.status, { blocked: true, observedGeneration: 2 });
    t.equal(valueAt(await web(), ["spec", "replicas"]), 3, "the Deployment runs on");
    const calls = hook.requests.length;
    await settle();
    t.equal(hook.requests.length, calls, "and the blocked parent makes no hot loop");

    // While the garbage collector works, an answer's children are not applied: that would take the child back.
    hook.answer((request) => scaling({ ...request, body: withReplicas(request.body, 9) }));
    await cluster.kubectl(["delete", "toggle", "web", "-n", "demo", "--cascade=orphan", "--timeout=60s"]);
    await settle();
    const left = await web();
    t.equal(valueAt(left, ["metadata", "uid"]), uid);
    t.equal(valueAt(left, ["metadata", "ownerReferences"]), undefined);
    t.equal(valueAt(left, ["spec", "replicas"]), 3);
    t.equal(await cluster.kubectl(["get", "toggles", "-n", "demo", "-o", "name"]), "");
  },
);

t.test("--cascade=orphan at once leaves the Deployment as well", async (t) => {
  const { cluster, settle, web } = await scene(t);
  await cluster.kubectl(["delete", "toggle", "web", "-n", "demo", "--cascade=orphan", "--timeout=60s"]);
  await settle();
  t.equal(valueAt(await web(), ["metadata", "ownerReferences"]), undefined);
});
