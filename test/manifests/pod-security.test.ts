// SPDX-License-Identifier: Apache-2.0
// Tests each container's rights: all meet the restricted standard, but for pcscd and the agent's mounts of its node.

import { type Static, Type } from "@sinclair/typebox";
import t from "tap";
import { as, containersOf, Manifest, pick, rendered, workloadsOf } from "./rendered.ts";

const manifests = [...rendered("manifests"), ...rendered("manifests/bot")];

t.test("every pod runs as user 1200 with the runtime's seccomp profile, and ends gracefully", async (t) => {
  for (const { metadata, spec } of workloadsOf(manifests)) {
    t.same(
      spec.template.spec.securityContext,
      {
        runAsNonRoot: true,
        runAsUser: 1200,
        runAsGroup: 1200,
        fsGroup: 1200,
        seccompProfile: { type: "RuntimeDefault" },
      },
      metadata.name,
    );
    t.ok(spec.template.spec.terminationGracePeriodSeconds >= 10);
  }
});

t.test("every container but pcscd is restricted", async (t) => {
  const containers = workloadsOf(manifests).flatMap(containersOf);
  t.same(containers.map(({ name }) => name).sort(), ["agent", "bot", "pcscd", "webhook"]);
  for (const { name, securityContext } of containers.filter(({ name }) => name !== "pcscd")) {
    t.same(
      securityContext,
      { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
      name,
    );
  }
});

t.test(
  "pcscd is a privileged sidecar that sees neither PIN nor token nor key, and has no port",
  async (t) => {
    const agent = workloadsOf(manifests).find(({ kind }) => kind === "DaemonSet");
    const pcscd = agent?.spec.template.spec.initContainers?.find(({ name }) => name === "pcscd");
    t.equal(pcscd?.restartPolicy, "Always");
    t.same(pcscd?.securityContext, {
      privileged: true,
      runAsNonRoot: false,
      runAsUser: 0,
      readOnlyRootFilesystem: true,
    });
    t.same(pcscd?.volumeMounts.map(({ name }) => name).sort(), ["pcscd", "pcscd-script", "usb"]);
    t.equal(pcscd?.ports, undefined);
    t.equal(pcscd?.env, undefined);
  },
);

t.test("the agent sees its node read-only, submounts included; the webhook sees nothing of it", async (t) => {
  for (const { kind, spec } of workloadsOf(manifests)) {
    const host = spec.template.spec.volumes
      .filter(({ hostPath }) => hostPath !== undefined)
      .map(({ name }) => name);
    t.same(host.sort(), kind === "DaemonSet" ? ["host-sys", "usb"] : []);
    for (const mount of spec.template.spec.containers.flatMap(({ volumeMounts }) => volumeMounts)) {
      if (!host.includes(mount.name)) continue;
      t.hasStrict(mount, { readOnly: true, recursiveReadOnly: "IfPossible" }, mount.mountPath);
    }
  }
});

t.test("only a pod's own group can read a mounted Secret", async (t) => {
  const volumes = workloadsOf(manifests).flatMap(({ spec }) => spec.template.spec.volumes);
  for (const { name, secret } of volumes) {
    if (secret !== undefined) t.equal(secret.defaultMode, 0o440, name);
  }
});

const Rules = Type.Object({
  metadata: Manifest.properties.metadata,
  rules: Type.Array(
    Type.Object(
      {
        apiGroups: Type.Array(Type.String()),
        resources: Type.Array(Type.String()),
        verbs: Type.Array(Type.String()),
      },
      { additionalProperties: false },
    ),
  ),
});
const rulesOf = (name: string, kind = "ClusterRole"): Static<typeof Rules> =>
  as(Rules, pick(manifests, kind, name));

t.test(
  "the webhook may make events and get HSMSecrets, and nothing else; the agent has no token for the API server",
  async (t) => {
    t.same(rulesOf("keyswitch-webhook-events").rules, [
      { apiGroups: [""], resources: ["events"], verbs: ["create"] },
    ]);
    t.same(rulesOf("keyswitch-webhook-parents").rules, [
      { apiGroups: ["hsm.j5t.io"], resources: ["hsmsecrets", "hsmdevices"], verbs: ["get"] },
    ]);
    const tokens = workloadsOf(manifests).map(({ metadata, spec }) => [
      metadata.name,
      spec.template.spec.automountServiceAccountToken,
    ]);
    t.same(Object.fromEntries(tokens), {
      "keyswitch-webhook": true,
      "keyswitch-agent": false,
      "keyswitch-bot": true,
    });
    const bindings = manifests.filter(({ kind }) => kind.endsWith("RoleBinding"));
    t.same(
      bindings.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
      [
        "ClusterRoleBinding keyswitch-webhook-events",
        "ClusterRoleBinding keyswitch-webhook-parents",
        "RoleBinding keyswitch-bot",
      ],
    );
  },
);

t.test("the bot may see and patch Toggles, and nothing else of anything", async (t) => {
  t.same(rulesOf("keyswitch-bot", "Role").rules, [
    { apiGroups: ["toggle.j5t.io"], resources: ["toggles"], verbs: ["get", "list", "watch", "patch"] },
  ]);
});

for (const [resource, prefix] of [
  ["hsmsecrets", "keyswitch"],
  ["toggles", "keyswitch-toggle"],
] as const) {
  t.test(`who may view may read ${resource}; only who may edit can create one`, async (t) => {
    const view = rulesOf(`${prefix}-view`);
    const edit = rulesOf(`${prefix}-edit`);
    t.hasStrict(view.metadata.labels, { "rbac.authorization.k8s.io/aggregate-to-view": "true" });
    t.notOk(view.metadata.labels?.["rbac.authorization.k8s.io/aggregate-to-edit"]);
    t.same(view.rules.flatMap(({ verbs }) => verbs).sort(), ["get", "list", "watch"]);
    t.hasStrict(edit.metadata.labels, { "rbac.authorization.k8s.io/aggregate-to-edit": "true" });
    t.notOk(edit.metadata.labels?.["rbac.authorization.k8s.io/aggregate-to-view"]);
    t.ok(edit.rules.flatMap(({ verbs }) => verbs).includes("create"));
    t.same(
      [...view.rules, ...edit.rules]
        .flatMap(({ resources }) => resources)
        .filter((r) => !r.startsWith(resource)),
      [],
    );
  });
}
