// SPDX-License-Identifier: Apache-2.0
// Tests the customize and finalize hooks: deleting a Toggle never deletes a Deployment that it did not create.
import t from "tap";
import { customize } from "../../../hooks/toggle/index.ts";
import { finalize } from "./hooks.ts";
import { context, deployment, later, type RequestParts, request, template, UID } from "./request.ts";

const COMMAND = "kubectl delete toggle web -n demo --cascade=orphan";
const deleted = { deletionTimestamp: "2026-11-22T09:00:00Z", finalizers: ["metacontroller.io/x"] };
const orphaning = { ...deleted, finalizers: [...deleted.finalizers, "orphan"] };
const madeBy = (uid: string) => ({ annotations: { "toggle.j5t.io/made-by": uid } });

const call = (parts: RequestParts) =>
  finalize(request({ metadata: deleted, finalizing: true, ...parts }), context);
const replicas = (parts: RequestParts) =>
  call(parts).response.children.map((child) => (child.spec as { replicas: number }).replicas);

t.test("customize asks for the Deployment that the Toggle names", async (t) => {
  const related = (parts: RequestParts) => {
    const { parent, controller } = request(parts);
    return customize(parent, controller).relatedResources.filter(
      ({ resource, labelSelector }) => resource === "pods" || !labelSelector,
    );
  };
  t.strictSame(related({}), [
    { apiVersion: "apps/v1", resource: "deployments", namespace: "demo", names: ["web"] },
    { apiVersion: "v1", resource: "pods", namespace: "demo", labelSelector: { matchLabels: { app: "web" } } },
  ]);
  t.match(related({ spec: { deploymentName: "api" } }), [{ names: ["api"] }]);
  t.strictSame(
    related({ metadata: deleted }),
    [{ apiVersion: "apps/v1", resource: "deployments", namespace: "demo" }],
    "and for all of the namespace while it is being deleted",
  );
  const invalid = { selector: { matchLabels: { "a b": "c" } } };
  t.same(
    related({ spec: invalid }).map(({ resource }) => resource),
    ["deployments"],
    "and for no pods by labels that none can have",
  );
  for (const many of [{ spec: { replicas: 301 } }, { status: { lastReplicas: 301 } }]) {
    t.same(
      related(many).map(({ resource }) => resource),
      ["deployments"],
      "nor for as many as no request holds",
    );
  }
  const { parent, controller } = request();
  const asked = customize(parent, controller, false).relatedResources.map(({ resource }) => resource);
  t.notOk(asked.includes("pods"), "nor where the installation does without");
});

t.test("a Deployment that the Toggle did not make holds the deletion up, and stays as it is", async (t) => {
  const { response, outcome, events } = call({ owned: [deployment(3)] });
  t.equal(outcome, "Blocked");
  t.match(response, {
    finalized: false,
    children: [{ metadata: { name: "web" }, spec: { replicas: 3 } }],
    status: {
      phase: "Blocked",
      desiredReplicas: 3,
      availableReplicas: 3,
      conditions: [
        { type: "Ready", status: "False", reason: "Blocked" },
        { type: "Stalled", status: "True" },
      ],
    },
  });
  t.ok(String(response.status?.message).endsWith(COMMAND), "the message ends with the command that helps");
  t.match(response.status?.message, /web, which it did not make.*spec.deletionPolicy to Delete/);
  t.match(events, [{ type: "Warning", reason: "Blocked" }]);
});

t.test("a Deployment at 0 stays at 0, and keeps the note of its count", async (t) => {
  const annotations = { "toggle.j5t.io/replicas-when-on": "3" };
  const status = { phase: "Off", lastReplicas: 3, deploymentName: "web" };
  const { response } = call({ owned: [deployment(0, { annotations })], status });
  t.match(response.children, [{ metadata: { annotations }, spec: { replicas: 0 } }]);
  t.equal(response.status?.lastReplicas, 3);
});

t.test("on and off no longer scale it", async (t) => {
  t.same(replicas({ owned: [deployment(3)], spec: { enabled: false } }), [3]);
  t.same(replicas({ owned: [deployment(0)], spec: { replicas: 2 } }), [0]);
});

t.test("a second deletion with orphan waits until the garbage collector has let go, then ends", async (t) => {
  const waiting = call({ metadata: orphaning, owned: [deployment(3)] });
  t.equal(waiting.outcome, "Orphaning");
  t.match(waiting.response, { finalized: false, children: [{ spec: { replicas: 3 } }] });
  t.match(waiting.response.status, { phase: "Blocked", message: /letting go of web/ });
  for (const related of [[], [deployment(3, { ownerReferences: [] })]]) {
    t.strictSame(call({ metadata: orphaning, related }).response, { finalized: true, children: [] });
  }
});

t.test("orphan wins over deletionPolicy Delete and over a Deployment that the Toggle made", async (t) => {
  const owned = [deployment(3, madeBy(UID))];
  const { response } = call({ metadata: orphaning, owned, spec: { deletionPolicy: "Delete" } });
  t.match(response, { finalized: false, children: [{ metadata: { name: "web" } }] });
});

t.test("deletionPolicy Delete lets the named Deployment go", async (t) => {
  const spec = { deletionPolicy: "Delete" } as const;
  t.strictSame(call({ owned: [deployment(3)], spec }).response, { finalized: true, children: [] });
});

t.test("deletionPolicy Delete spares another Deployment that the selector matches", async (t) => {
  const spec = { deletionPolicy: "Delete" } as const;
  const { response } = call({ owned: [deployment(3), deployment(2, { name: "second" })], spec });
  t.match(response, {
    finalized: false,
    children: [{ metadata: { name: "web" } }, { metadata: { name: "second" }, spec: { replicas: 2 } }],
  });
  t.match(response.status?.message, /delete the Deployment second, which it did not make\. To keep it: /);
});

t.test("a Deployment that the Toggle made goes with it", async (t) => {
  const owned = [deployment(3, madeBy(UID))];
  t.equal(call({ owned, spec: { template } }).outcome, "Finalized");
});

t.test("with a template an adopted Deployment still holds the deletion up", async (t) => {
  t.equal(call({ owned: [deployment(3)], spec: { template } }).outcome, "Blocked");
  const earlier = [deployment(3, madeBy("another-uid"))];
  t.equal(call({ owned: earlier, spec: { template } }).outcome, "Blocked", "nor one of an earlier Toggle");
});

t.test("the mark is no proof where somebody else wrote the Deployment's selector", async (t) => {
  const wrote = (manager: string, ...paths: object[]) => ({
    manager,
    operation: "Apply",
    fieldsV1: Object.assign({}, ...paths),
  });
  const selector = { "f:spec": { "f:selector": {} } };
  const reference = { "f:metadata": { "f:ownerReferences": { [`k:{"uid":"${UID}"}`]: {} } } };
  const outcome = (...managedFields: object[]) =>
    call({ owned: [deployment(3, { ...madeBy(UID), managedFields })] }).outcome;
  t.equal(outcome(wrote("metacontroller", selector, reference)), "Finalized");
  t.equal(outcome(wrote("metacontroller", selector, reference), wrote("kubectl", selector)), "Blocked");
  t.equal(
    outcome(wrote("metacontroller", reference), wrote("kubectl-client-side-apply", selector)),
    "Blocked",
  );
});

t.test("an owned Deployment whose labels were changed holds the deletion up too", async (t) => {
  const { response } = call({ related: [deployment(3, { labels: {} })] });
  t.match(response, { finalized: false, children: [], status: { phase: "Blocked", availableReplicas: 3 } });
  t.equal(call({ metadata: orphaning, related: [deployment(3, { labels: {} })] }).outcome, "Orphaning");
  const renamed = deployment(3, { name: "other", labels: {} });
  t.equal(call({ related: [renamed] }).outcome, "Blocked");
});

t.test("nothing owned, or nothing but what is being deleted, ends at once", async (t) => {
  t.strictSame(call({}).response, { finalized: true, children: [] });
  t.equal(call({ related: "no-hook" }).outcome, "Finalized");
  t.equal(call({ related: [deployment(3, { ownerReferences: [] })] }).outcome, "Finalized");
  t.equal(
    call({ owned: [deployment(3, { deletionTimestamp: "2026-11-22T09:00:00Z" })] }).outcome,
    "Finalized",
  );
});

t.test("a blocked Toggle rests: the status does not change with the time", async (t) => {
  const status = call({ owned: [deployment(3)] }).response.status ?? {};
  const input = request({ metadata: deleted, finalizing: true, owned: [deployment(3)], status });
  const again = finalize(input, later);
  t.equal(JSON.stringify(again.response.status), JSON.stringify(status));
  t.same(again.events, []);
  t.equal(again.response.resyncAfterSeconds, undefined);
});
