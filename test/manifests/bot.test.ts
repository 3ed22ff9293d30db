// SPDX-License-Identifier: Apache-2.0
// Tests that the bot's manifests fit together: variables, files, claim, ports, and the namespace of its Role, in an overlay
// too.
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import t from "tap";
import { parse } from "yaml";
import { runServer } from "../../scripts/control-plane/test/api/running-server.ts";
import { ALLOWED_ROOMS_ANNOTATION, ALLOWED_USERS_ANNOTATION } from "../../server/bot/access.ts";
import { BOT_VARIABLES } from "../../server/bot/config.ts";
import { defaultOf } from "../../server/config/variable-table.ts";
import { credentials, secretsIn } from "./credentials.ts";
import { as, type Manifest, pick, rendered, root, Service, Workload } from "./rendered.ts";

/** The Secret that people make themselves; docs/install.md shows how. */
const OWN_SECRET = "keyswitch-bot";
const ConfigMap = Type.Object({ data: Type.Record(Type.String(), Type.String()) });
const Claim = Type.Object({
  spec: Type.Object({
    accessModes: Type.Array(Type.String()),
    resources: Type.Object({ requests: Type.Object({ storage: Type.String() }) }),
  }),
});
const Binding = Type.Object({
  metadata: Type.Object({ namespace: Type.String() }),
  roleRef: Type.Object({ kind: Type.String(), name: Type.String() }),
  subjects: Type.Array(Type.Object({ kind: Type.String(), name: Type.String(), namespace: Type.String() })),
});

const base = rendered("manifests/bot");
const example = rendered("manifests/examples/matrix-bot");
const workload = as(Workload, pick(base, "Deployment", "keyswitch-bot"));
const { spec: pod } = workload.spec.template;
const [container] = pod.containers;
if (container === undefined) throw new Error("no container");

const botOf = (manifests: readonly Manifest[]) =>
  as(Workload, pick(manifests, "Deployment", "keyswitch-bot")).spec.template.spec.containers[0];

/** bot.env, as it is in the ConfigMap that the container names. */
const settingsOf = (manifests: readonly Manifest[]): [name: string, value: string][] =>
  (botOf(manifests)?.envFrom ?? []).flatMap(({ configMapRef }) =>
    Object.entries(as(ConfigMap, pick(manifests, "ConfigMap", configMapRef.name)).data),
  );

/** The container's whole environment: what it sets itself goes before its settings. */
const environment = (manifests: readonly Manifest[]): Map<string, string> => {
  const own = (botOf(manifests)?.env ?? []).map(({ name, value = "" }) => [name, value] as const);
  return new Map([...settingsOf(manifests), ...own]);
};

t.test("everything is rendered, and nothing else; it is not part of manifests/", async (t) => {
  t.same(
    base
      .map(
        ({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name.replace(/-\w{10}$/, "-HASH")}`,
      )
      .sort(),
    [
      "ConfigMap keyswitch/keyswitch-bot-HASH",
      "Deployment keyswitch/keyswitch-bot",
      "NetworkPolicy keyswitch/keyswitch-bot",
      "PersistentVolumeClaim keyswitch/keyswitch-bot",
      "Role clawdbot/keyswitch-bot",
      "RoleBinding clawdbot/keyswitch-bot",
      "Service keyswitch/keyswitch-bot",
      "ServiceAccount keyswitch/keyswitch-bot",
      "ValidatingAdmissionPolicy undefined/keyswitch-bot",
      "ValidatingAdmissionPolicyBinding undefined/keyswitch-bot",
    ],
  );
  t.notOk(rendered("manifests").some(({ metadata }) => metadata.name.includes("bot")));
});

t.test(
  "there is one bot, the old one ends before the new one starts, and its store outlives it",
  async (t) => {
    t.equal(workload.spec.replicas, 1);
    t.same(workload.spec.strategy, { type: "Recreate" });
    t.same(container.args, ["bot"]);
    t.equal(container.image, "keyswitch:0.1.0");
    const data = pod.volumes.find(({ persistentVolumeClaim }) => persistentVolumeClaim !== undefined);
    const mount = container.volumeMounts.find(({ name }) => name === data?.name);
    t.ok(environment(base).get("CRYPTO_STORE_PATH")?.startsWith(`${mount?.mountPath}/`));
    t.notOk(mount?.readOnly);
    const claim = as(
      Claim,
      pick(base, "PersistentVolumeClaim", data?.persistentVolumeClaim?.claimName ?? ""),
    );
    t.same(claim.spec, { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } });
  },
);

const settings = readFileSync(join(root, "manifests/bot/bot.env"), "utf8");
const mentioned = [...settings.matchAll(/\b([A-Z][A-Z_]+)=(\S*)/g)].map(([, name = "", value = ""]) => ({
  name,
  value,
}));

t.test("every variable is one that the bot knows, in bot.env's comments and the example too", async (t) => {
  const names = [
    ...environment(base).keys(),
    ...environment(example).keys(),
    ...mentioned.map(({ name }) => name),
  ];
  t.ok(names.length > 30);
  t.same(
    names.filter((name) => !Object.hasOwn(BOT_VARIABLES, name)),
    [],
  );
});

t.test("bot.env repeats the defaults of the code, and has no secret", async (t) => {
  const defaults = new Map(
    Object.entries(BOT_VARIABLES).map(([name, one]) => [name, defaultOf(one)] as const),
  );
  for (const [name, value] of settingsOf(base)) {
    if (!name.endsWith("_FILE")) t.equal(value, defaults.get(name) ?? "", name);
    t.notMatch(name, /(PASSWORD|SECRET|TOKEN|KEY)$/);
  }
});

t.test("every *_FILE, in comments too, is a key of a Secret that is mounted read-only", async (t) => {
  const files = [...[...environment(base)].map(([name, value]) => ({ name, value })), ...mentioned].filter(
    ({ name }) => name.endsWith("_FILE"),
  );
  t.ok(files.length >= 7);
  for (const { name, value } of files) {
    const mount = container.volumeMounts.find(({ mountPath }) => value.startsWith(`${mountPath}/`));
    const secret = pod.volumes.find((volume) => volume.name === mount?.name)?.secret;
    t.ok(
      secret?.items?.some(({ path }) => join(mount?.mountPath ?? "", path) === value.replace(/\.$/, "")),
      `${name} ${value}`,
    );
    t.equal(mount?.readOnly, true);
  }
});

t.test(
  "credentials.sh makes the Secrets that must be there, and docs/install.md the one that people make",
  async (t) => {
    const { code, stdout, stderr } = credentials(["--only", "bot"]);
    t.equal(code, 0, stderr);
    const made = secretsIn(stdout);
    t.same([...made.keys()], ["keyswitch-bot-tls", "keyswitch-bot-metrics"]);
    const install = readFileSync(join(root, "docs/install.md"), "utf8");
    for (const { secret } of pod.volumes) {
      if (secret === undefined) continue;
      t.equal(secret.optional ?? false, secret.secretName === OWN_SECRET);
      for (const { key } of secret.items ?? []) {
        if (secret.secretName === OWN_SECRET) {
          t.ok(install.includes(`\`${key}\``), `install.md names the key ${key}`);
        } else t.ok(made.get(secret.secretName)?.data.has(key), `${secret.secretName}/${key}`);
      }
    }
  },
);

t.test("it listens where Service, probes and port say", async (t) => {
  const { spec } = as(Service, pick(base, "Service", "keyswitch-bot"));
  const port = Number(environment(base).get("LISTEN_PORT"));
  t.equal(port, BOT_VARIABLES.LISTEN_PORT.default);
  t.same(container.ports, [{ name: "https", containerPort: port }]);
  t.same(spec.ports, [{ name: "https", port, targetPort: "https" }]);
  t.hasStrict(workload.spec.template.metadata.labels, spec.selector);
  t.hasStrict(workload.spec.template.metadata.labels, workload.spec.selector.matchLabels);
  const https = (path: string) => ({ httpGet: { scheme: "HTTPS", port: "https", path } });
  t.hasStrict(container.startupProbe, https("/healthz"));
  t.hasStrict(container.livenessProbe, https("/healthz"));
  t.hasStrict(container.readinessProbe, https("/readyz"));
});

for (const [name, manifests] of Object.entries({ base, example })) {
  t.test(
    `${name}: the Role and its binding are in the namespace whose Toggles the bot switches`,
    async (t) => {
      const namespace = environment(manifests).get("DEPLOYMENT_NAMESPACE");
      t.equal(pick(manifests, "Role", "keyswitch-bot").metadata.namespace, namespace);
      const binding = as(Binding, pick(manifests, "RoleBinding", "keyswitch-bot"));
      t.equal(binding.metadata.namespace, namespace);
      t.same(binding.roleRef, { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "keyswitch-bot" });
      t.same(binding.subjects, [
        { kind: "ServiceAccount", name: pod.serviceAccountName, namespace: "keyswitch" },
      ]);
    },
  );
}

t.test(
  "the example changes what it names, keeps the rest, and restarts the bot by the name of its settings",
  async (t) => {
    const env = environment(example);
    t.equal(env.get("ALLOWED_USERS"), "@alice:example.org,@bob:example.org");
    t.equal(env.get("MATRIX_PASSWORD_FILE"), "/etc/keyswitch/bot/password");
    const nameIn = (manifests: readonly Manifest[]) =>
      manifests.find(({ kind }) => kind === "ConfigMap")?.metadata.name;
    t.not(nameIn(example), nameIn(base));
  },
);

t.test(
  "cert-manager: a certificate in the Secret that the pod mounts, from the issuer of the others",
  async (t) => {
    const folder = t.testdir();
    symlinkSync(root, join(folder, "keyswitch"));
    writeFileSync(
      join(folder, "kustomization.yaml"),
      "resources: [keyswitch/manifests/bot]\ncomponents: [keyswitch/manifests/bot/cert-manager]\n",
    );
    const certificate = rendered(folder).find(({ kind }) => kind === "Certificate");
    t.match(certificate, {
      spec: { secretName: "keyswitch-bot-tls", issuerRef: { kind: "Issuer", name: "keyswitch-ca" } },
    });
    t.ok(JSON.stringify(certificate).includes('"keyswitch-bot.keyswitch.svc"'));
  },
);

t.test("the sample's annotations are those that the bot reads", async (t) => {
  const file = join(root, "manifests/samples/toggle-in-chat.yaml");
  t.ok(existsSync(file));
  const Annotated = Type.Object({
    metadata: Type.Object({ annotations: Type.Record(Type.String(), Type.String()) }),
  });
  const { annotations } = as(Annotated, parse(readFileSync(file, "utf8"))).metadata;
  t.same(Object.keys(annotations).sort(), [ALLOWED_ROOMS_ANNOTATION, ALLOWED_USERS_ANNOTATION].sort());
});

t.test("what docs/install.md has people write is the example", async (t) => {
  const install = readFileSync(join(root, "docs/install.md"), "utf8");
  const written = install.match(/Make `bot\/kustomization\.yaml`[\s\S]*?```yaml\n([\s\S]*?)```/)?.[1] ?? "";
  const folder = t.testdir({ bot: { "kustomization.yaml": written } });
  symlinkSync(root, join(folder, "keyswitch"));
  t.same(rendered(join(folder, "bot")), example);
});

t.test("the API server takes every object of the example, with no field that it does not know", async (t) => {
  const server = await runServer(t);
  for (const namespace of ["keyswitch", "shop"]) await server.kubectl(`create namespace ${namespace}`);
  // The stand-in for the API server has no claims, and evaluates no admission policy; npm run test:cluster does.
  const unknown = /^(PersistentVolumeClaim|ValidatingAdmissionPolicy(Binding)?)$/;
  const items = example.filter(({ kind }) => !unknown.test(kind));
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  const { code, stdout, stderr } = await server.kubectl("apply --server-side --validate=strict -f -", {
    input: list,
  });
  t.equal(code, 0, stderr);
  t.equal(stdout.match(/serverside-applied/g)?.length, items.length);
});
