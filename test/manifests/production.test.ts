// SPDX-License-Identifier: Apache-2.0
// Tests that the production manifests fit together: names, keys, ports, probes and variables, and the Secrets of
// credentials.sh.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import t from "tap";
import { AGENT_VARIABLES } from "../../server/agent/config.ts";
import { WEBHOOK_VARIABLES } from "../../server/webhook/config.ts";
import { credentials, secretsIn } from "./credentials.ts";
import {
  as,
  containersOf,
  pick,
  rendered,
  Service,
  type Workload,
  Workload as WorkloadSchema,
  workloadsOf,
} from "./rendered.ts";

const manifests = rendered("manifests");
const webhook = as(WorkloadSchema, pick(manifests, "Deployment", "keyswitch-webhook"));
const agent = as(WorkloadSchema, pick(manifests, "DaemonSet", "keyswitch-agent"));
const main = ({ spec }: Workload) => {
  const [container] = spec.template.spec.containers;
  if (container === undefined) throw new Error("no container");
  return container;
};
const variables = (workload: Workload) =>
  new Map((main(workload).env ?? []).map((entry) => [entry.name, entry]));

t.test("everything is rendered, and nothing else", async (t) => {
  t.same(
    manifests
      .map(({ kind, metadata }) => `${kind} ${metadata.name.replace(/-[a-z0-9]{10}$/, "-HASH")}`)
      .sort(),
    [
      "ClusterRole keyswitch-edit",
      "ClusterRole keyswitch-toggle-edit",
      "ClusterRole keyswitch-toggle-view",
      "ClusterRole keyswitch-view",
      "ClusterRole keyswitch-webhook-events",
      "ClusterRole keyswitch-webhook-parents",
      "ClusterRoleBinding keyswitch-webhook-events",
      "ClusterRoleBinding keyswitch-webhook-parents",
      "CompositeController hsmsecret",
      "CompositeController toggle",
      "ConfigMap keyswitch-path-policy",
      "ConfigMap keyswitch-pcscd-HASH",
      "CustomResourceDefinition hsmsecrets.hsm.j5t.io",
      "CustomResourceDefinition toggles.toggle.j5t.io",
      "DaemonSet keyswitch-agent",
      "Deployment keyswitch-webhook",
      "Namespace keyswitch",
      "NetworkPolicy keyswitch-agent",
      "NetworkPolicy keyswitch-webhook",
      "PodDisruptionBudget keyswitch-webhook",
      "Service keyswitch-agent",
      "Service keyswitch-webhook",
      "ServiceAccount keyswitch-agent",
      "ServiceAccount keyswitch-webhook",
    ],
  );
});

t.test(
  "every namespaced object is in the namespace keyswitch, and no other one names a namespace",
  async (t) => {
    const clusterWide =
      /^(Namespace|ClusterRole|ClusterRoleBinding|CustomResourceDefinition|CompositeController)$/;
    for (const { kind, metadata } of manifests) {
      t.equal(
        metadata.namespace,
        clusterWide.test(kind) ? undefined : "keyswitch",
        `${kind} ${metadata.name}`,
      );
    }
  },
);

for (const [role, workload, known] of [
  ["webhook", webhook, WEBHOOK_VARIABLES],
  ["agent", agent, AGENT_VARIABLES],
] as const) {
  t.test(`${role}: every variable is one that its configuration knows`, async (t) => {
    t.same(
      [...variables(workload).keys()].filter((name) => !Object.hasOwn(known, name)),
      [],
    );
    t.same(main(workload).args, [role]);
  });

  t.test(`${role}: every *_FILE is a key of a mounted Secret or ConfigMap`, async (t) => {
    const { volumes } = workload.spec.template.spec;
    for (const [name, { value = "" }] of variables(workload)) {
      if (!name.endsWith("_FILE")) continue;
      const mount = main(workload).volumeMounts.find(({ mountPath }) => value.startsWith(`${mountPath}/`));
      const volume = volumes.find((volume) => volume.name === mount?.name);
      const items = [
        ...(volume?.secret?.items ?? []),
        ...(volume?.projected?.sources.flatMap(({ secret }) => secret.items) ?? []),
        ...Object.keys(volume?.configMap === undefined ? {} : { "path-policy.json": "" }).map((path) => ({
          path,
        })),
      ];
      t.ok(
        items.some(({ path }) => join(mount?.mountPath ?? "", path) === value),
        `${name} ${value}`,
      );
      t.equal(mount?.readOnly, true, `${mount?.mountPath} is mounted read-only`);
    }
  });

  t.test(`${role}: it listens where Service, probes and port say`, async (t) => {
    const { spec } = as(Service, pick(manifests, "Service", `keyswitch-${role}`));
    const port = Number(variables(workload).get("LISTEN_PORT")?.value);
    t.equal(port, known.LISTEN_PORT.default);
    t.same(main(workload).ports, [{ name: "https", containerPort: port }]);
    t.same(spec.ports, [{ name: "https", port, targetPort: "https" }]);
    t.hasStrict(workload.spec.template.metadata.labels, spec.selector);
    t.hasStrict(workload.spec.template.metadata.labels, workload.spec.selector.matchLabels);
    const https = (path: string) => ({ httpGet: { scheme: "HTTPS", port: "https", path } });
    t.hasStrict(main(workload).startupProbe, https("/healthz"));
    t.hasStrict(main(workload).livenessProbe, https("/healthz"));
    t.hasStrict(main(workload).readinessProbe, https("/readyz"));
  });
}

t.test("every Secret and key that a pod mounts is one that credentials.sh makes", async (t) => {
  const folder = t.testdir({ pin: randomBytes(8).toString("hex") });
  const { code, stdout, stderr } = credentials(["--pin-file", join(folder, "pin")]);
  t.equal(code, 0, stderr);
  const made = secretsIn(stdout);
  for (const { spec } of workloadsOf(manifests)) {
    for (const { secret, projected } of spec.template.spec.volumes) {
      const sources = [
        ...(secret === undefined ? [] : [{ name: secret.secretName, items: secret.items }]),
        ...(projected?.sources ?? []).map(({ secret }) => secret),
      ];
      for (const { name, items } of sources) {
        t.ok(items !== undefined, `${name}: only named keys are mounted`);
        for (const { key } of items ?? []) t.ok(made.get(name)?.data.has(key), `${name}/${key}`);
      }
    }
  }
});

t.test("the webhook gets neither the PIN nor an agent's key", async (t) => {
  const text = JSON.stringify(webhook);
  t.notMatch(text, /keyswitch-pkcs11/);
  const agentSources = webhook.spec.template.spec.volumes.find(({ name }) => name === "agent")?.projected
    ?.sources;
  t.same(
    agentSources?.map(({ secret }) => [secret.name, secret.items, secret.optional]),
    [
      ["keyswitch-agent-tls", [{ key: "ca.crt", path: "ca.crt" }], undefined],
      ["keyswitch-agent-token", [{ key: "read", path: "token" }], undefined],
      ["keyswitch-agent-token", [{ key: "write", path: "write-token" }], true],
    ],
  );
});

t.test("only the token for writing may be missing", async (t) => {
  for (const { metadata, spec } of workloadsOf(manifests)) {
    const optional = spec.template.spec.volumes.flatMap(({ secret, projected }) => [
      ...(secret?.optional ? [secret.items] : []),
      ...(projected?.sources ?? []).flatMap(({ secret }) => (secret.optional ? [secret.items] : [])),
    ]);
    t.same(
      optional.map((items) => items?.map(({ key }) => key)),
      [["write"]],
      metadata.name,
    );
  }
});

t.test("the agent knows its node and its name, and the webhook asks it under that name", async (t) => {
  const env = variables(agent);
  t.same(env.get("NODE_NAME")?.valueFrom, { fieldRef: { fieldPath: "spec.nodeName" } });
  t.same(env.get("DEVICE_NAME")?.valueFrom, {
    fieldRef: { fieldPath: "metadata.labels['hsm.j5t.io/device']" },
  });
  const device = agent.spec.template.metadata.labels["hsm.j5t.io/device"];
  t.equal(variables(webhook).get("AGENTS")?.value, `${device}=https://keyswitch-agent.keyswitch.svc:8444`);
  t.same(agent.spec.template.spec.nodeSelector, { "hsm.j5t.io/agent": "true" });
});

t.test("the agent's address is published while it is not ready, and is the pod's own", async (t) => {
  const { spec } = as(Service, pick(manifests, "Service", "keyswitch-agent"));
  t.hasStrict(spec, { clusterIP: "None", publishNotReadyAddresses: true });
});

t.test("all containers run the same image", async (t) => {
  const images = workloadsOf(manifests).flatMap((workload) =>
    containersOf(workload).map(({ image }) => image),
  );
  t.same([...new Set(images)], ["keyswitch:0.1.0"]);
});
