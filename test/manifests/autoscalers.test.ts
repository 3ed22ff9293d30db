// SPDX-License-Identifier: Apache-2.0
// Tests docs/guides/autoscalers.md: its examples are the samples, their parts fit together, and a Toggle with Floor does what it says.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parse, parseAllDocuments } from "yaml";
import type { ToggleSpec } from "../../hooks/toggle/schema.ts";
import { sync } from "../hooks/toggle/hooks.ts";
import { context, deployment, request } from "../hooks/toggle/request.ts";
import { root } from "./rendered.ts";

const guide = readFileSync(join(root, "docs/guides/autoscalers.md"), "utf8");
const [floor, scaled] = [...guide.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block = ""]) => parse(block));
const sample = (name: string) =>
  parseAllDocuments(readFileSync(join(root, "manifests/samples", name), "utf8")).map((one) => one.toJS());

t.test("HorizontalPodAutoscaler: it scales the Toggle's Deployment, and not below its floor", async (t) => {
  const [toggle, autoscaler] = sample("toggle-autoscaler.yaml");
  t.same(floor, toggle);
  const { scaleTargetRef, minReplicas } = autoscaler.spec;
  t.same(scaleTargetRef, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    name: toggle.spec.deploymentName ?? toggle.metadata.name,
  });
  t.equal(toggle.spec.replicaPolicy, "Floor");
  t.ok(minReplicas >= (toggle.spec.replicas ?? 1));
});

t.test("KEDA: the Toggle switches the gate that the formula asks for, and not what is scaled", async (t) => {
  const [toggle, gate, scaledObject] = sample("toggle-keda.yaml");
  t.hasStrict(scaledObject, scaled);
  t.equal(toggle.spec.deploymentName, gate.metadata.name);
  t.hasStrict(gate.metadata.labels, toggle.spec.selector.matchLabels);
  t.notOk("replicas" in gate.spec);
  const { scaleTargetRef, minReplicaCount, advanced, triggers } = scaledObject.spec;
  t.not(scaleTargetRef.name, gate.metadata.name);
  t.equal(minReplicaCount, 0);
  const names = advanced.scalingModifiers.formula.match(/[a-z]+/g);
  t.same(
    names,
    triggers.map(({ name }: { name: string }) => name),
  );
  const [label = "", value] = triggers[0].metadata.podSelector.split("=");
  t.equal(gate.spec.template.metadata.labels[label], value);
});

/** A Toggle that follows an autoscaler: what it makes of a Deployment with that count, each after the one before. */
const followed = () => {
  let status: Record<string, unknown> = {};
  return (enabled: boolean, count: number, spec: Partial<ToggleSpec> = {}): number => {
    const given = { enabled, replicaPolicy: "Floor", ...spec } as const;
    const { response } = sync(request({ spec: given, status, owned: [deployment(count)] }), context);
    status = { ...response.status };
    return (response.children[0]?.spec as { replicas: number }).replicas;
  };
};

t.test("with Floor the autoscaler's count stays, is given back, and is held at replicas", async (t) => {
  const look = followed();
  t.equal(look(true, 2), 2);
  t.equal(look(true, 5), 5, "scaled up");
  t.equal(look(false, 5), 0, "switched off");
  t.equal(look(false, 0), 0);
  t.equal(look(true, 0), 5, "switched on");
  t.equal(look(true, 1), 1, "scaled down");
  t.equal(look(true, 1, { replicas: 3 }), 3, "not below replicas");
  t.equal(look(true, 7, { replicas: 3 }), 7);
});

t.test("an autoscaler that scales to 0 or from 0 is put back", async (t) => {
  const look = followed();
  t.equal(look(true, 4), 4);
  t.equal(look(true, 0), 4, "KEDA has nothing to do");
  t.equal(look(false, 4), 0);
  t.equal(look(false, 1), 0, "KEDA has found a trigger active");
});
