// SPDX-License-Identifier: Apache-2.0
// Tests the fields of the Deployment in a Toggle's response: no field more than it needs, and none that it must not drop.
import t from "tap";
import type { Deployment } from "../../../hooks/toggle/deployment.ts";
import { sync } from "./hooks.ts";
import { context, deployment, type RequestParts, request, template, UID } from "./request.ts";

const children = (parts: RequestParts) => sync(request(parts), context).response.children;
const madeBy = (uid: string) => ({ "toggle.j5t.io/made-by": uid });
const managed = { "app.kubernetes.io/managed-by": "keyswitch", app: "web" };
const podTemplate = { metadata: { labels: { tier: "front", app: "web" } }, spec: template.spec };

t.test("an adopted Deployment is answered with its replicas and nothing of its pods", async (t) => {
  t.strictSame(children({ owned: [deployment(3)] }), [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: "demo", labels: { app: "web" } },
      spec: { replicas: 3 },
    },
  ]);
});

t.test(
  "the count to go back to is noted in the same answer that says 0, and dropped once the status has it",
  async (t) => {
    const note = {
      "toggle.j5t.io/replicas-when-on": "3",
      "toggle.j5t.io/switched-off-by": UID,
    };
    const off = { spec: { enabled: false } };
    t.match(children({ ...off, owned: [deployment(3)] }), [{ metadata: { annotations: note } }]);
    const noted = deployment(0, { annotations: note });
    t.strictSame(children({ ...off, owned: [noted] })[0]?.metadata, {
      name: "web",
      namespace: "demo",
      labels: { app: "web" },
      annotations: note,
    });
    t.strictSame(children({ owned: [noted] })[0]?.spec, { replicas: 3 });
    const annotations = (status: object) =>
      (children({ owned: [noted], status: { ...status } })[0]?.metadata as { annotations?: object })
        .annotations;
    t.strictSame(annotations({}), note, "the status has never been written");
    t.strictSame(annotations({ lastReplicas: 3, deploymentName: "web" }), undefined);
  },
);

t.test("another Deployment is answered with what it has, notes of ours included", async (t) => {
  const annotations = {
    "toggle.j5t.io/replicas-when-on": "4",
    x: "y",
  };
  const other = deployment(0, { name: "other", uid: "d-2", annotations, labels: { app: "web", team: "a" } });
  t.strictSame(children({ owned: [deployment(3), other] })[1], {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: "other",
      namespace: "demo",
      labels: { app: "web" },
      annotations: { "toggle.j5t.io/replicas-when-on": "4" },
    },
    spec: { replicas: 0 },
  });
});

t.test("a Deployment is made with the selector's labels on itself and on its pods", async (t) => {
  t.strictSame(children({ spec: { template, replicas: 2 } }), [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: "demo", labels: managed, annotations: madeBy(UID) },
      spec: { replicas: 2, selector: { matchLabels: { app: "web" } }, template: podTemplate },
    },
  ]);
});

const ours = (meta: object = {}): Deployment => deployment(2, { annotations: madeBy(UID), ...meta });

t.test("a Deployment that the Toggle made follows the template", async (t) => {
  t.strictSame(children({ spec: { template }, owned: [ours()] }), [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: {
        name: "web",
        namespace: "demo",
        labels: managed,
        annotations: madeBy(UID),
      },
      spec: { replicas: 2, selector: { matchLabels: { app: "web" } }, template: podTemplate },
    },
  ]);
});

t.test("where templates are not allowed it is answered with the pods that it has", async (t) => {
  const given = request({ spec: { template, enabled: false }, owned: [ours()] });
  const { response } = sync(given, { ...context, templates: false });
  t.strictSame(response.children, [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: "demo", labels: managed, annotations: madeBy(UID) },
      spec: { replicas: 2, selector: ours().spec.selector, template: ours().spec.template },
    },
  ]);
});

t.test("it keeps its pods when the template is taken out of the spec", async (t) => {
  t.match(children({ owned: [ours()] }), [
    { spec: { selector: ours().spec.selector, template: ours().spec.template } },
  ]);
});

t.test(
  "one that an earlier Toggle of the name made is answered whole, and stays marked as that",
  async (t) => {
    const [child] = children({ owned: [ours({ annotations: madeBy("earlier") })] });
    t.match(child, {
      metadata: { annotations: madeBy("earlier") },
      spec: { template: ours().spec.template },
    });
  },
);

t.test("the same request with its maps in another order gets the same bytes", async (t) => {
  const other = deployment(1, { name: "other" });
  const selector = { matchLabels: { b: "2", a: "1" } };
  const turned = { matchLabels: { a: "1", b: "2" } };
  const one = sync(request({ spec: { selector }, owned: [deployment(3), other] }), context).response;
  const two = sync(request({ spec: { selector: turned }, owned: [other, deployment(3)] }), context).response;
  t.equal(JSON.stringify(one), JSON.stringify(two));
});

const RESTARTED = "kubectl.kubernetes.io/restartedAt";
const [first, second] = ["2026-11-22T08:00:00Z", "2026-11-22T09:00:00Z"];
/** A Deployment whose pods were restarted at `time`, by the engine or by kubectl. */
const restarted = (
  time: string,
  manager: "metacontroller" | "kubectl-rollout",
  meta: object = {},
): Deployment => {
  const one = deployment(3, meta);
  const annotated = {
    "f:spec": { "f:template": { "f:metadata": { "f:annotations": { [`f:${RESTARTED}`]: {} } } } },
  };
  const owner = { "f:metadata": { "f:ownerReferences": { [`k:${JSON.stringify({ uid: UID })}`]: {} } } };
  const managedFields = [
    { manager: "metacontroller", fieldsV1: owner },
    { manager, fieldsV1: annotated },
  ];
  return {
    ...one,
    metadata: { ...one.metadata, managedFields },
    spec: {
      ...one.spec,
      template: { ...one.spec.template, metadata: { annotations: { [RESTARTED]: time, x: "y" } } },
    },
  };
};
const restartedTemplate = (time: string) => ({ metadata: { annotations: { [RESTARTED]: time } } });

t.test(
  "restartAt is the annotation of the pod template that kubectl rollout restart writes, and nothing else of it",
  async (t) => {
    const answer = (restartAt: string | undefined, one: Deployment) =>
      children({ spec: restartAt === undefined ? {} : { restartAt }, owned: [one] })[0]?.spec;
    t.strictSame(answer(first, deployment(3)), { replicas: 3, template: restartedTemplate(first) });
    t.strictSame(
      answer(second, restarted(first, "metacontroller")),
      { replicas: 3, template: restartedTemplate(second) },
      "again",
    );
    t.strictSame(
      answer(first, restarted(second, "kubectl-rollout")),
      { replicas: 3, template: restartedTemplate(second) },
      "a later restart by somebody else is not put back",
    );
    t.strictSame(
      answer(undefined, restarted(first, "metacontroller")),
      { replicas: 3, template: restartedTemplate(first) },
      "taken out of the spec it stays: without it the pods would be replaced",
    );
    t.strictSame(answer(undefined, restarted(first, "kubectl-rollout")), { replicas: 3 }, "nobody asked us");
  },
);

t.test("another Deployment is not restarted, and keeps its restart", async (t) => {
  const other = restarted(first, "metacontroller", { name: "other", uid: "d-2" });
  const answer = children({ spec: { restartAt: second }, owned: [deployment(3), other] });
  t.strictSame(answer[1]?.spec, { replicas: 3, template: restartedTemplate(first) });
});

t.test("a Deployment of a template is restarted with its template whole", async (t) => {
  const parts = { spec: { template: podTemplate, restartAt: first } };
  const whole = {
    ...podTemplate,
    metadata: { ...podTemplate.metadata, annotations: { [RESTARTED]: first } },
  };
  t.match(children(parts), [{ spec: { template: whole } }]);
  const made = deployment(3, { annotations: madeBy(UID) });
  t.strictSame((children({ ...parts, owned: [made] })[0]?.spec as { template?: unknown }).template, whole);
});

t.test("until the engine has written it, the Toggle is Starting; one that is off is Off", async (t) => {
  const phase = (parts: RequestParts) => sync(request(parts), context).outcome;
  t.equal(phase({ spec: { restartAt: first }, owned: [deployment(3)] }), "Starting");
  t.equal(phase({ spec: { restartAt: first }, owned: [restarted(first, "metacontroller")] }), "Running");
  t.equal(phase({ spec: { restartAt: first, enabled: false }, owned: [deployment(0)] }), "Off");
});
