// SPDX-License-Identifier: Apache-2.0
// Tests that objects of this server equal those recorded from a real API server, apart from uids, times and versions.
import { readFile } from "node:fs/promises";
import t from "tap";
import {
  isObject,
  type Json,
  type JsonObject,
  listOrEmpty,
  objectOrEmpty,
  toJson,
  valueAt,
} from "../../api/json.ts";
import { runServer } from "./running-server.ts";

const folder = new URL("../../../../test/fixtures/metacontroller-4.17.2/", import.meta.url);

const recorded = async (file: string): Promise<JsonObject> => {
  const parsed = toJson(JSON.parse(await readFile(new URL(file, folder), "utf8")));
  return objectOrEmpty(objectOrEmpty(parsed).body);
};

const volatile = new Set(["uid", "resourceVersion", "creationTimestamp", "time", "deletionTimestamp"]);

/** Without what differs from run to run. */
const stable = (value: Json | undefined): Json => {
  if (Array.isArray(value)) return value.map(stable);
  if (!isObject(value)) return value ?? null;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !volatile.has(key))
      .map(([key, item]) => [key.replace(/"uid":"[^"]*"/, '"uid":"any"'), stable(item)]),
  );
};

const anything = (group: string, plural: string, kind: string, subresources: JsonObject): JsonObject => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: "Namespaced",
    names: { plural, kind },
    versions: [
      {
        name: "v1alpha1",
        served: true,
        storage: true,
        subresources,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
});

t.test("a Deployment from kubectl create", async (t) => {
  const server = await runServer(t);
  const fixture = await recorded("toggle-sync-enabled-while-at-zero.json");
  const wanted = objectOrEmpty(valueAt(fixture, ["children", "Deployment.apps/v1", "claw/clawdbot"]));
  await server.kubectl("create namespace claw");
  const file = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "clawdbot", namespace: "claw", labels: { app: "clawdbot" } },
    spec: {
      replicas: valueAt(wanted, ["spec", "replicas"]) ?? 0,
      selector: { matchLabels: { app: "clawdbot" } },
      template: {
        metadata: { labels: { app: "clawdbot" } },
        spec: { containers: [{ name: "x", image: "x" }] },
      },
    },
  };
  t.match(await server.kubectl("create -f -", { input: file }), { code: 0 });
  const made = await server.read("/apis/apps/v1/namespaces/claw/deployments/clawdbot");
  t.same(made.spec, wanted.spec, "the same defaults");
  const byCreate = (object: JsonObject) =>
    stable(
      objectOrEmpty(
        listOrEmpty(valueAt(object, ["metadata", "managedFields"])).find(
          (entry) => valueAt(entry, ["manager"]) === "kubectl-create",
        ),
      ).fieldsV1,
    );
  const fields = objectOrEmpty(byCreate(made));
  // Metacontroller had already applied the count when the request was recorded.
  delete objectOrEmpty(fields["f:spec"])["f:replicas"];
  t.same(fields, byCreate(wanted), "the same fields owned by the creator");
});

t.test("a parent from kubectl apply, with a finalizer and a status", async (t) => {
  const server = await runServer(t);
  const fixture = await recorded("hsmsecret-sync-owned-child-ssa.json");
  const wanted = objectOrEmpty(fixture.parent);
  const crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  await server.call("POST", crd, anything("hsm.j5t.io", "hsmsecrets", "HSMSecret", { status: {} }));
  const file = {
    apiVersion: "hsm.j5t.io/v1alpha1",
    kind: "HSMSecret",
    metadata: { name: "app", namespace: "demo" },
    spec: {},
  };
  t.match(await server.kubectl("apply -f -", { input: file }), { code: 0 });
  const path = "/apis/hsm.j5t.io/v1alpha1/namespaces/demo/hsmsecrets/app";
  const finalizers = valueAt(wanted, ["metadata", "finalizers"]) ?? [];
  const as = "fieldManager=metacontroller";
  await server.call("PATCH", `${path}?${as}`, { metadata: { finalizers } }, "application/merge-patch+json");
  await server.call(
    "PATCH",
    `${path}/status?${as}`,
    { status: wanted.status ?? {} },
    "application/merge-patch+json",
  );
  t.same(stable(await server.read(path)), stable(wanted));

  const finalizing = objectOrEmpty((await recorded("hsmsecret-finalize-owned-child.json")).parent);
  await server.kubectl("delete hsmsecret app -n demo --wait=false");
  const { managedFields: _, ...metadata } = objectOrEmpty((await server.read(path)).metadata);
  const { managedFields: _recorded, ...wantedMetadata } = objectOrEmpty(finalizing.metadata);
  t.same(stable(metadata), stable(wantedMetadata), "marked as deleted");
});

t.test("a Secret that Metacontroller created and then applied", async (t) => {
  const server = await runServer(t);
  const fixture = await recorded("hsmsecret-sync-owned-child-ssa.json");
  const wanted = objectOrEmpty(valueAt(fixture, ["children", "Secret.v1", "demo/app"]));
  const {
    managedFields: _,
    uid: _uid,
    resourceVersion: _version,
    creationTimestamp: _time,
    ...metadata
  } = objectOrEmpty(wanted.metadata);
  // The owner's kind is not served in this test, so the garbage collector leaves the Secret alone.
  const file = { apiVersion: "v1", kind: "Secret", metadata, type: "Opaque", data: wanted.data ?? {} };
  const path = "/api/v1/namespaces/demo/secrets";
  const as = "fieldManager=metacontroller";
  t.match(await server.call("POST", `${path}?${as}`, file), { code: 201 });
  t.match(await server.call("PATCH", `${path}/app?${as}&force=true`, file, "application/apply-patch+yaml"), {
    code: 200,
  });
  t.same(stable(await server.read(`${path}/app`)), stable(wanted));
});

t.test("a CompositeController gets Metacontroller's defaults", async (t) => {
  const server = await runServer(t);
  const wanted = objectOrEmpty((await recorded("hsmsecret-sync-owned-child-ssa.json")).controller);
  const annotation = valueAt(wanted, [
    "metadata",
    "annotations",
    "kubectl.kubernetes.io/last-applied-configuration",
  ]);
  t.match(await server.kubectl("apply -f -", { input: String(annotation) }), { code: 0 });
  const made = await server.read("/apis/metacontroller.k8s.io/v1alpha1/compositecontrollers/hsmsecret");
  t.same(stable(made), stable(wanted));
});
