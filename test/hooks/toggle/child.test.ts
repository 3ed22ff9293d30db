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
