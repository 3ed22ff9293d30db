// SPDX-License-Identifier: Apache-2.0
// Tests CompositeControllers that are created, changed and deleted while the engine runs, and how often their hooks are called.
import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { isObject, type JsonObject, objectOrEmpty, valueAt } from "../../api/json.ts";
import { silent } from "../../engine/engine-log.ts";
import {
  desiredSecret,
  eventsOf,
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
import { type Answer, type Recorded, startHookServer } from "./hook-server.ts";

const key = randomBytes(12).toString("base64");
const answer: Answer = ({ path, body }) => {
  if (path.endsWith("customize")) return { body: relatedSecret(body) };
  const children = path.startsWith("/hsm") ? [desiredSecret(body, { key })] : [];
  return {
    body: { status: { by: path }, children, ...(path.endsWith("finalize") ? { finalized: true } : {}) },
  };
};
const at = (path: string) => (request: Recorded) => request.path === path;

const scene = async (t: Test, first: Answer = answer) => {
  const cluster = await startCluster(t);
  const hook = await startHookServer(first);
  t.teardown(hook.close);
  await cluster.apply(namespace("demo"), hsmSecrets);
  const engine = await cluster.engine();
  return { cluster, hook, engine };
};

t.test("a changed controller calls its new hooks for every parent, and the old ones no more", async (t) => {
  const { cluster, hook, engine } = await scene(t);
  await cluster.apply(hsmSecretController(hook), hsmSecret("app"));
  await engine.idle();
  const old = hook.requests.length;
  const moved = JSON.parse(JSON.stringify(hsmSecretController(hook)).replaceAll("/hsm/", "/hsm-new/"));
  await cluster.apply(moved);
  await hook.seen(at("/hsm-new/sync"));
  await engine.idle();
  t.ok(hook.requests.slice(old).every(({ path }) => path.startsWith("/hsm-new/")));
  t.equal(valueAt(await cluster.read(["hsmsecret", "app", "-n", "demo"]), ["status", "by"]), "/hsm-new/sync");
  t.equal((await eventsOf(cluster, "hsmsecret", "Started"))[0]?.count, 2);
  t.equal((await eventsOf(cluster, "hsmsecret", "Stopped"))[0]?.count, 1);
});

t.test("a controller that loses its finalize hook takes its finalizer away", async (t) => {
  const { cluster, hook, engine } = await scene(t);
  const controller = hsmSecretController(hook);
  await cluster.apply(controller, hsmSecret("app"));
  await engine.idle();
  const { finalize: _, ...hooks } = objectOrEmpty(valueAt(controller, ["spec", "hooks"]));
  await cluster.apply({ ...controller, spec: { ...objectOrEmpty(controller.spec), hooks } });
  await engine.idle();
  const parent = await cluster.read(["hsmsecret", "app", "-n", "demo"]);
  t.equal(valueAt(parent, ["metadata", "finalizers"]), undefined);
});

t.test("a deleted controller stops calling", async (t) => {
  const { cluster, hook, engine } = await scene(t);
  await cluster.apply(hsmSecretController(hook), hsmSecret("app"));
  await engine.idle();
  await cluster.kubectl(["delete", "compositecontroller", "hsmsecret"]);
  await engine.idle();
  const before = hook.requests.length;
  await cluster.kubectl(["annotate", "hsmsecret", "app", "-n", "demo", "again=1"]);
  await engine.idle();
  t.equal(hook.requests.length, before);
});

t.test("a controller whose kind is not there yet starts when it comes", async (t) => {
  const cluster = await startCluster(t);
  const hook = await startHookServer(answer);
  t.teardown(hook.close);
  const errors: unknown[] = [];
  const error = (fields: object, message: string) => errors.push({ ...fields, message });
  const engine = await cluster.engine({ log: { ...silent, error } });
  await cluster.apply(namespace("demo"), hsmSecretController(hook));
  await engine.idle();
  t.strictSame(errors[0], {
    controller: "hsmsecret",
    error: 'customresourcedefinitions.apiextensions.k8s.io "hsmsecrets.hsm.j5t.io" not found',
    message: "Reconciler error",
  });
  t.strictSame(await eventsOf(cluster, "hsmsecret", "CreateError"), [], "the log alone tells of it");
  await cluster.apply(hsmSecrets);
  await cluster.apply(hsmSecret("app"));
  await hook.seen(at("/hsm/sync"));
});

const strategy = (method: string): JsonObject => ({
  childResources: [{ apiVersion: "v1", resource: "secrets", updateStrategy: { method } }],
});

const wrongSpecs: { what: string; spec: JsonObject; message: RegExp }[] = [
  { what: "a rolling update strategy", spec: strategy("RollingInPlace"), message: /updateStrategy.method/ },
  {
    what: "children of a kind that is not there",
    spec: {
      childResources: [
        { apiVersion: "x.j5t.io/v1", resource: "things", updateStrategy: { method: "InPlace" } },
      ],
    },
    message:
      /^Cannot create new controller: can't create informer for child resource: can't create client for things.x.j5t.io\/v1 shared informer: discovery: can't find resource things in apiVersion x.j5t.io\/v1$/,
  },
  { what: "no sync hook", spec: { hooks: {} }, message: /spec.hooks.sync/ },
  {
    what: "a webhook without a url",
    spec: { hooks: { sync: { version: "v2", webhook: { path: "/x" } } } },
    message: /must specify either full 'url', or both 'service' and 'path'/,
  },
];
for (const { what, spec, message } of wrongSpecs) {
  t.test(`a controller with ${what} is not started, and an event says why`, async (t) => {
    const { cluster, hook, engine } = await scene(t);
    await cluster.apply(hsmSecretController(hook, spec), hsmSecret("app"));
    await engine.idle();
    t.match((await eventsOf(cluster, "hsmsecret", "CreateError"))[0]?.message, message);
    t.equal(hook.requests.length, 0);
  });
}

t.test("two controllers work side by side, each on its own parents and children", async (t) => {
  const { cluster, hook, engine } = await scene(t);
  await cluster.apply(toggles, hsmSecretController(hook), toggleController(hook));
  const toggle = {
    apiVersion: "toggle.j5t.io/v1alpha1",
    kind: "Toggle",
    metadata: { name: "app", namespace: "demo" },
    spec: { selector: { matchLabels: { app: "app" } } },
  };
  await cluster.apply(hsmSecret("app"), toggle);
  await engine.idle();
  for (const { path, body } of hook.requests) {
    t.equal(valueAt(body, ["parent", "kind"]), path.startsWith("/hsm/") ? "HSMSecret" : "Toggle");
    t.equal(
      valueAt(body, ["controller", "metadata", "name"]),
      path.startsWith("/hsm/") ? "hsmsecret" : "toggle",
    );
  }
  t.match(
    await cluster.kubectl(["get", "hsmsecret,toggle,secret", "-n", "demo", "-o", "name"]),
    /hsmsecret.*toggle.*secret/s,
  );
});

t.test("customize is asked once for each generation of a parent", async (t) => {
  const { cluster, hook, engine } = await scene(t);
  const asked = () => hook.requests.filter(at("/hsm/customize")).length;
  await cluster.apply(hsmSecretController(hook), hsmSecret("app"));
  await engine.idle();
  t.equal(asked(), 1);
  await cluster.kubectl(["annotate", "hsmsecret", "app", "-n", "demo", "again=1"]);
  await engine.idle();
  t.equal(asked(), 1, "an annotation makes no new generation");
  await cluster.apply(hsmSecret("app", { hsmPath: "secrets/demo/other" }));
  await engine.idle();
  t.equal(asked(), 2);
});

t.test(
  "a change of a related object that is nobody's child brings on a sync of the parent that asked for it",
  async (t) => {
    const related: Answer = (request) => {
      if (!request.path.endsWith("customize")) return answer(request);
      const { namespace: of } = parentOf(request.body);
      const rule = { apiVersion: "v1", resource: "configmaps", namespace: of, names: ["settings"] };
      return { body: { relatedResources: [rule] } };
    };
    const { cluster, hook, engine } = await scene(t, related);
    await cluster.apply(hsmSecretController(hook), namespace("elsewhere"), hsmSecret("app"));
    await engine.idle();
    const configMap = (name: string, of: string): JsonObject => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: of },
      data: { a: "1" },
    });
    const from = hook.requests.length;
    await cluster.apply(configMap("other", "demo"), configMap("settings", "elsewhere"));
    await engine.idle();
    t.equal(hook.requests.length, from, "another name and another namespace do not");
    await cluster.apply(configMap("settings", "demo"));
    const { body } = await hook.seen(at("/hsm/sync"), from);
    t.strictSame(Object.keys(objectOrEmpty(valueAt(body, ["related", "ConfigMap.v1"]))), ["demo/settings"]);
    await engine.idle();
    const gone = hook.requests.length;
    await cluster.kubectl(["delete", "configmap", "settings", "-n", "demo"]);
    const after = await hook.seen(at("/hsm/sync"), gone);
    t.strictSame(valueAt(after.body, ["related"]), { "ConfigMap.v1": {} });
  },
);

t.test("with ignoreStatusChanges, a status of its own is no reason for a sync", async (t) => {
  let count = 0;
  const counting: Answer = ({ path, body }) => {
    if (path.endsWith("customize")) return { body: { relatedResources: [] } };
    count += 1;
    return { body: { status: { count, of: parentOf(body).name }, children: [] } };
  };
  const { cluster, hook, engine } = await scene(t, counting);
  const parentResource = {
    apiVersion: "hsm.j5t.io/v1alpha1",
    resource: "hsmsecrets",
    ignoreStatusChanges: true,
  };
  const { finalize: _, ...hooks } = objectOrEmpty(valueAt(hsmSecretController(hook), ["spec", "hooks"]));
  await cluster.apply(hsmSecretController(hook, { parentResource, hooks }), hsmSecret("app"));
  await engine.idle();
  t.equal(count, 1);
  await cluster.kubectl(["label", "hsmsecret", "app", "-n", "demo", "a=b"]);
  await engine.idle();
  t.equal(count, 2, "a label is one");
});

t.test("resyncAfterSeconds brings the next sync", async (t) => {
  const again: Answer = ({ path }) =>
    path.endsWith("customize")
      ? { body: { relatedResources: [] } }
      : { body: { status: {}, children: [], resyncAfterSeconds: 0.05 } };
  const { cluster, hook } = await scene(t, again);
  await cluster.apply(hsmSecretController(hook), hsmSecret("app"));
  for (let seen = 0; seen < 5; seen += 1) {
    const from = hook.requests.length;
    await hook.seen(at("/hsm/sync"), from);
  }
  t.pass("five more syncs without a change");
});

t.test("parents are picked by the controller's label selector", async (t) => {
  const { cluster, hook, engine } = await scene(t);
  const labelSelector = { matchExpressions: [{ key: "tier", operator: "In", values: ["gold"] }] };
  const parentResource = { apiVersion: "hsm.j5t.io/v1alpha1", resource: "hsmsecrets", labelSelector };
  const labelled = (name: string, tier: string) => {
    const object = hsmSecret(name);
    return { ...object, metadata: { ...objectOrEmpty(object.metadata), labels: { tier } } };
  };
  await cluster.apply(hsmSecretController(hook, { parentResource }));
  await cluster.apply(labelled("one", "gold"), labelled("two", "iron"));
  await engine.idle();
  const names = new Set(hook.requests.map(({ body }) => parentOf(body).name));
  t.strictSame([...names], ["one"]);
  t.ok(isObject((await cluster.read(["secret", "one", "-n", "demo"])).data));

  const from = hook.requests.length;
  await cluster.kubectl(["label", "--overwrite", "hsmsecret", "one", "-n", "demo", "tier=iron"]);
  await engine.idle();
  const called = hook.requests.slice(from).filter(({ path }) => !path.endsWith("customize"));
  t.match(called, [{ path: "/hsm/finalize", body: { finalizing: true } }], "one that leaves is let go");
  const { metadata } = await cluster.read(["hsmsecret", "one", "-n", "demo"]);
  t.equal(valueAt(metadata, ["finalizers"]), undefined);
});
