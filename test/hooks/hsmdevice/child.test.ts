// SPDX-License-Identifier: Apache-2.0
// Tests the children of an HSMDevice: names, and what is not overwritten.
import t from "tap";
import { isObjectName } from "../../../hooks/formats.ts";
import { agentName, serviceName } from "../../../hooks/hsmdevice/names.ts";
import type { HSMDevice } from "../../../hooks/hsmdevice/schema.ts";
import { childrenOf, podOf, settled } from "./children.ts";
import { finalize } from "./hooks.ts";

t.test("a Deployment has one pod at a time, which Service and NetworkPolicy select", async (t) => {
  const children = childrenOf(settled());
  t.same(children.map(({ kind }) => kind).sort(), ["Deployment", "NetworkPolicy", "Service"]);
  const of = (kind: string) => children.find((child) => child.kind === kind);
  t.match(of("Deployment")?.spec, { replicas: 1, strategy: { type: "Recreate" } });
  const labels = of("Deployment")?.spec.template.metadata.labels;
  t.match(labels, of("Service")?.spec.selector);
  t.match(labels, (of("NetworkPolicy")?.spec.podSelector as { matchLabels: object }).matchLabels);
  t.match(of("Service")?.spec, { clusterIP: "None" });
  for (const { metadata } of children) {
    t.match(metadata, { namespace: "keyswitch", labels: { "app.kubernetes.io/managed-by": "keyswitch" } });
  }
});

t.test(
  "a change of the spec reaches an agent while discovery is down, with the image that it has",
  async (t) => {
    const world = settled();
    world.silent.add("a");
    world.spec = { ...world.spec, template: { resources: { limits: { memory: "1Gi" } } } };
    world.run(10);
    t.match(podOf(world).containers, [
      { image: "keyswitch:0.1.0", resources: { limits: { memory: "1Gi" } } },
    ]);
  },
);

t.test("a Service of somebody else is left alone and named", async (t) => {
  const world = settled();
  const request = world.request.bind(world);
  world.children = world.children.filter(({ kind }) => kind !== "Service");
  world.request = () => {
    const made = request();
    const service = { apiVersion: "v1", kind: "Service", metadata: { name: "hsm-hsm" } };
    return { ...made, related: { ...made.related, "Service.v1": { "keyswitch/hsm-hsm": service } } };
  };
  world.run(20);
  t.notOk(childrenOf(world).some(({ kind }) => kind === "Service"));
  t.match(world.found, {
    phase: "Partial",
    message: /There is a Service hsm-hsm that this HSMDevice did not make/,
  });
});

t.test(
  "names are names of objects and labels, whatever the ids are, and differ where the ids do",
  async (t) => {
    const parent = (name: string, uid = "u") => ({ metadata: { name, uid } }) as unknown as HSMDevice;
    const ids = [
      "A",
      "a",
      "-",
      "ä",
      "_".repeat(126),
      "node-a.1-3.1",
      `${"x".repeat(125)}y`,
      `${"x".repeat(125)}z`,
    ];
    const names = ["hsm", "h".repeat(253), "a.b", "0"].flatMap((name) =>
      ids.map((id) => agentName(parent(name), id)),
    );
    t.equal(new Set(names).size, names.length);
    t.not(agentName(parent("hsm", "u"), "A"), agentName(parent("hsm", "v"), "A"));
    for (const name of [
      ...names,
      ...["hsm", "h".repeat(253), "a.b"].map((one) => serviceName(parent(one))),
    ]) {
      t.ok(isObjectName(name) && name.length <= 63 && !name.includes("."), name);
    }
  },
);

t.test("deleting an HSMDevice takes its agents, and it goes after them", async (t) => {
  const world = settled();
  t.strictSame(finalize(world.request(true), world.now).response, { finalized: false, children: [] });
  world.children = [];
  t.strictSame(finalize(world.request(true), world.now).response, { finalized: true, children: [] });
});
