// SPDX-License-Identifier: Apache-2.0
// Tests the component for HSMDevices over the production manifests: controller, rights, what the webhook is given and may reach.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import t from "tap";
import { parse } from "yaml";
import { customize } from "../../hooks/hsmdevice/index.ts";
import { WEBHOOK_VARIABLES } from "../../server/webhook/config.ts";
import { World } from "../hooks/hsmdevice/world.ts";
import { as, containersOf, pick, rendered, root, Workload } from "./rendered.ts";

const folder = t.testdir({});
mkdirSync(join(folder, "cluster"));
symlinkSync(join(root, "manifests"), join(folder, "manifests"));
writeFileSync(
  join(folder, "cluster/kustomization.yaml"),
  "resources: [../manifests, ../manifests/discovery]\ncomponents: [../manifests/hsmdevice]\n",
);
const manifests = rendered(join(folder, "cluster"));
const before = rendered("manifests");

const Controller = Type.Object({
  spec: Type.Object({
    generateSelector: Type.Literal(true),
    parentResource: Type.Object({
      apiVersion: Type.Literal("hsm.j5t.io/v1alpha1"),
      resource: Type.Literal("hsmdevices"),
      ignoreStatusChanges: Type.Literal(true),
    }),
    childResources: Type.Array(Type.Object({ apiVersion: Type.String(), resource: Type.String() })),
    hooks: Type.Record(
      Type.String(),
      Type.Object({ version: Type.String(), webhook: Type.Object({ url: Type.String() }) }),
    ),
  }),
});
const controller = as(Controller, pick(manifests, "CompositeController", "hsmdevice")).spec;

t.test("it adds these, and manifests/ has none of them", async (t) => {
  const names = (of: typeof manifests) => new Set(of.map(({ kind, metadata }) => `${kind} ${metadata.name}`));
  t.same(
    [...names(manifests)].filter((name) => !names(before).has(name) && !name.includes("discovery")).sort(),
    [
      "ClusterRole keyswitch-hsmdevice-edit",
      "ClusterRole keyswitch-hsmdevice-view",
      "CompositeController hsmdevice",
      "CustomResourceDefinition hsmdevices.hsm.j5t.io",
    ],
  );
});

t.test("the controller differs from that of HSMSecrets in parent, children and routes alone", async (t) => {
  const other = pick(manifests, "CompositeController", "hsmsecret");
  const text = JSON.stringify({ ...other, metadata: {} }).replaceAll("hsmsecret", "hsmdevice");
  const expected = as(Controller, JSON.parse(text)).spec;
  t.same(controller.childResources, [
    { apiVersion: "apps/v1", resource: "deployments", updateStrategy: { method: "InPlace" } },
    { apiVersion: "v1", resource: "services", updateStrategy: { method: "InPlace" } },
    {
      apiVersion: "networking.k8s.io/v1",
      resource: "networkpolicies",
      updateStrategy: { method: "InPlace" },
    },
  ]);
  t.strictSame({ ...controller, childResources: [] }, { ...expected, childResources: [] });
});

t.test("who may edit other things may not write HSMDevices, which run privileged pods", async (t) => {
  const { labels = {} } = pick(manifests, "ClusterRole", "keyswitch-hsmdevice-edit").metadata;
  t.same(Object.keys(labels), ["app.kubernetes.io/part-of"]);
});

t.test(
  "the webhook has what it asks discovery and agents with, in variables that it knows, and keeps the rest",
  async (t) => {
    const containerOf = (of: typeof manifests) => {
      const [container] = containersOf(as(Workload, pick(of, "Deployment", "keyswitch-webhook")));
      if (container === undefined) throw new Error("no container");
      return container;
    };
    const env = (of: typeof manifests) => (containerOf(of).env ?? []).map(({ name }) => name);
    const added = env(manifests).filter((name) => !env(before).includes(name));
    const variables = [
      ...["AGENT_ROLE_TOKEN_FILE", "AGENT_SERVER_NAME"],
      ...["DISCOVERY_CA_FILE", "DISCOVERY_SERVER_NAME", "DISCOVERY_TOKEN_FILE"],
    ];
    t.same(added.sort(), variables);
    for (const name of added) t.ok(name in WEBHOOK_VARIABLES, name);
    t.equal(env(manifests).length, env(before).length + variables.length);
    for (const folder of ["discovery", "role"]) {
      const path = `/etc/keyswitch/${folder}`;
      t.ok(
        containerOf(manifests).volumeMounts.some(({ mountPath }) => mountPath === path),
        path,
      );
    }
  },
);

t.test("the webhook may reach discovery and the agents", async (t) => {
  const policy = JSON.stringify(pick(manifests, "NetworkPolicy", "keyswitch-webhook"));
  for (const name of ["keyswitch-agent", "keyswitch-discovery", "keyswitch-hsmdevice-agent"]) {
    t.match(policy, `"app.kubernetes.io/name":"${name}"`);
  }
});

t.test("Metacontroller gets the right to each parent, child and related object", async (t) => {
  const read = (name: string): { op: string; value: unknown }[] =>
    parse(readFileSync(join(root, "manifests/metacontroller", name, "rules.yaml"), "utf8"));
  const rules = [...read("rights").filter(({ op }) => op === "replace"), ...read("hsmdevice-rights")].flatMap(
    ({ value }) => value,
  ) as { apiGroups: string[]; resources: string[]; verbs: string[] }[];
  const verbsOf = (apiVersion: string, resource: string) => {
    const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
    return (
      rules.find((rule) => rule.apiGroups.includes(group) && rule.resources.includes(resource))?.verbs ?? []
    );
  };
  for (const { apiVersion, resource } of controller.childResources) {
    t.match(verbsOf(apiVersion, resource).join(), /create.*patch.*delete/, resource);
  }
  for (const { apiVersion, resource } of customize(new World({}).request().parent).relatedResources) {
    t.match(verbsOf(apiVersion, resource).join(), /get,list,watch/, resource);
  }
  for (const part of ["", "/status", "/finalizers"]) {
    t.match(verbsOf("hsm.j5t.io/v1alpha1", `hsmdevices${part}`).join(), /update,patch/);
  }
});
