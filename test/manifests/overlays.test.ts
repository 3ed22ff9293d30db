// SPDX-License-Identifier: Apache-2.0
// Tests overlays of the production manifests: several nodes, another PKCS#11 module, cert-manager.
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import t from "tap";
import { AGENT_VARIABLES } from "../../server/agent/config.ts";
import { as, containersOf, type Manifest, pick, rendered, root, Service, workloadsOf } from "./rendered.ts";

const NetworkPolicy = Type.Object({
  spec: Type.Object({
    podSelector: Type.Object({ matchLabels: Type.Record(Type.String(), Type.String()) }),
    ingress: Type.Array(Type.Object({ from: Type.Array(Type.Unknown()), ports: Type.Array(Type.Unknown()) })),
    egress: Type.Array(Type.Unknown()),
  }),
});
const ingressOf = (manifest: Manifest) => as(NetworkPolicy, manifest).spec.ingress;
const production = rendered("manifests");

t.test(
  "several nodes: each has a DaemonSet and a Service of its own, which find no other's pods",
  async (t) => {
    const manifests = rendered("manifests/examples/several-nodes");
    const daemonSets = workloadsOf(manifests).filter(({ kind }) => kind === "DaemonSet");
    t.same(
      daemonSets.map(({ metadata }) => metadata.name),
      ["keyswitch-agent-a", "keyswitch-agent-b"],
    );
    for (const daemonSet of daemonSets) {
      const suffix = daemonSet.metadata.name.slice(-2);
      const { spec } = as(Service, pick(manifests, "Service", daemonSet.metadata.name));
      for (const other of daemonSets) {
        for (const selector of [spec.selector, daemonSet.spec.selector.matchLabels]) {
          const { labels } = other.spec.template.metadata;
          const found = Object.entries(selector).every(([key, value]) => labels[key] === value);
          t.equal(found, other === daemonSet, `${daemonSet.metadata.name} and ${other.metadata.name}`);
        }
      }
      t.same(daemonSet.spec.template.spec.nodeSelector, {
        "hsm.j5t.io/agent": "true",
        "kubernetes.io/hostname": `node${suffix}`,
      });
      t.equal(daemonSet.spec.template.metadata.labels["hsm.j5t.io/device"], `hsm${suffix}`);
      t.same(
        ingressOf(pick(manifests, "NetworkPolicy", daemonSet.metadata.name)),
        ingressOf(pick(production, "NetworkPolicy", "keyswitch-agent")),
        "the webhook may still reach it",
      );
    }
    const pins = daemonSets.map(
      ({ spec }) => spec.template.spec.volumes.find(({ name }) => name === "pin")?.secret,
    );
    t.same(
      pins.map((secret) => [secret?.secretName, secret?.items]),
      ["keyswitch-pkcs11", "keyswitch-pkcs11-b"].map((name) => [name, [{ key: "pin", path: "pin" }]]),
    );
  },
);

t.test("several nodes: AGENTS names each agent as it names itself, at its Service", async (t) => {
  const manifests = rendered("manifests/examples/several-nodes");
  const webhook = workloadsOf(manifests).find(({ kind }) => kind === "Deployment");
  const agents = webhook?.spec.template.spec.containers[0]?.env?.find(({ name }) => name === "AGENTS")?.value;
  t.same(
    agents?.split(","),
    ["a", "b"].map((node) => `hsm-${node}=https://keyswitch-agent-${node}.keyswitch.svc:8444`),
  );
});

t.test(
  "another module: nothing privileged, nothing of the node, and the variables that it needs",
  async (t) => {
    const manifests = rendered("manifests/examples/other-module");
    const agent = workloadsOf(manifests).find(({ kind }) => kind === "DaemonSet");
    if (agent === undefined) throw new Error("no DaemonSet");
    t.same(
      containersOf(agent).map(({ name }) => name),
      ["agent"],
    );
    t.notMatch(JSON.stringify(agent), /hostPath|privileged|pcscd/);
    const names = agent.spec.template.spec.containers[0]?.env?.map(({ name }) => name) ?? [];
    t.same(
      names.filter((name) => !Object.hasOwn(AGENT_VARIABLES, name)),
      [],
    );
    t.ok(names.includes("PKCS11_TOKEN_LABEL"));
    t.notOk(names.includes("PKCS11_SLOT"), "label and slot exclude each other");
    const volumes = new Set(agent.spec.template.spec.volumes.map(({ name }) => name));
    for (const { name } of containersOf(agent).flatMap(({ volumeMounts }) => volumeMounts)) {
      t.ok(volumes.has(name), name);
    }
    const namespace = pick(manifests, "Namespace", "keyswitch");
    t.equal(namespace.metadata.labels?.["pod-security.kubernetes.io/enforce"], "restricted");
  },
);

const Certificate = Type.Object({
  spec: Type.Object({
    secretName: Type.String(),
    dnsNames: Type.Optional(Type.Array(Type.String())),
    issuerRef: Type.Object({ name: Type.String() }),
  }),
});

t.test(
  "cert-manager: certificates in the Secrets that the manifests mount, for the Services' names",
  async (t) => {
    const folder = t.testdir();
    symlinkSync(root, join(folder, "keyswitch"));
    writeFileSync(
      join(folder, "kustomization.yaml"),
      "resources: [keyswitch/manifests]\ncomponents: [keyswitch/manifests/cert-manager]\n",
    );
    const manifests = rendered(folder);
    const secrets = new Map(
      manifests
        .filter(({ kind }) => kind === "Certificate")
        .map((manifest) => as(Certificate, manifest).spec)
        .map((spec) => [spec.secretName, spec]),
    );
    t.same([...secrets.keys()].sort(), ["keyswitch-agent-tls", "keyswitch-ca", "keyswitch-webhook-tls"]);
    for (const service of ["keyswitch-webhook", "keyswitch-agent"]) {
      t.ok(secrets.get(`${service}-tls`)?.dnsNames?.includes(`${service}.keyswitch.svc`));
      t.equal(secrets.get(`${service}-tls`)?.issuerRef.name, "keyswitch-ca");
    }
    t.equal(manifests.length, production.length + 5);
  },
);

t.test(
  "by what docs/install.md has people write, every container's image is named by its digest",
  async (t) => {
    const install = readFileSync(join(root, "docs/install.md"), "utf8");
    const [images = ""] = install.match(/^images:\n {2}- name: keyswitch\n.*\n {4}digest: .*\n/m) ?? [];
    const folder = t.testdir({
      "kustomization.yaml": `resources: [keyswitch/manifests, keyswitch/manifests/bot]\n${images}`,
    });
    symlinkSync(root, join(folder, "keyswitch"));
    const used = workloadsOf(rendered(folder)).flatMap(containersOf);
    t.equal(used.length, 4);
    for (const { image, name } of used) {
      t.match(image, /^registry\.example\.com\/keyswitch@sha256:[0-9a-f]{64}$/, name);
    }
  },
);
