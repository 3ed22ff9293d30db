// SPDX-License-Identifier: Apache-2.0
// Tests docs/guides/from-openclaw-k8s-toggle-operator.md: its table of variables, its commands with kubectl, its kustomization.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { valueAt } from "../../scripts/control-plane/api/json.ts";
import { namespace, startCluster } from "../../scripts/control-plane/test/engine/cluster.ts";
import { BOT_VARIABLES, parseBotConfig } from "../../server/bot/config.ts";
import { defaultOf } from "../../server/config/variable-table.ts";
import { accepted, podIn } from "./pod-environment.ts";
import { pick, rendered, root } from "./rendered.ts";

const run = promisify(execFile);
const guide = readFileSync(join(root, "docs/guides/from-openclaw-k8s-toggle-operator.md"), "utf8");
const example = join(root, "manifests/examples/from-openclaw-k8s-toggle-operator");

/** The variables of the Python bot, as its README and its config.py have them, with their defaults. */
const THEIRS: Readonly<Record<string, string | undefined>> = {
  MATRIX_HOMESERVER: "http://synapse.matrix.svc.cluster.local:8008",
  MATRIX_USER: undefined,
  MATRIX_PASSWORD: undefined,
  ALLOWED_USERS: undefined,
  DEPLOYMENT_NAME: "clawdbot",
  DEPLOYMENT_NAMESPACE: "clawdbot",
  CRYPTO_STORE_PATH: "/data/crypto_store",
  ECHO_MODE: "true",
  AUTH_METHOD: "password",
  KEYCLOAK_URL: undefined,
  KEYCLOAK_REALM: undefined,
  KEYCLOAK_CLIENT_ID: undefined,
  KEYCLOAK_CLIENT_SECRET: undefined,
  JWT_LOGIN_TYPE: "com.famedly.login.token.oauth",
  SSO_IDP_ID: "keycloak",
  LOGURU_LEVEL: "DEBUG",
};
const SECRETS = ["MATRIX_PASSWORD", "KEYCLOAK_CLIENT_SECRET"];

/** The first block in that language behind `words`, without the indentation of the list. */
const blockAfter = (words: string, language: string): string => {
  const [, rest = ""] = guide.split(words);
  const found = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "s").exec(rest)?.[1];
  if (found === undefined) throw new Error(`the guide has no ${language} after ${words}`);
  return found.replaceAll(/^ {3}/gm, "");
};

t.test("its table has each of their variables, with the default that it has here too", async (t) => {
  const rows = [...guide.matchAll(/^\| `([A-Z_]+)` \| (?:`([^`]+)` )?\| /gm)];
  t.same(Object.fromEntries(rows.map(([, name, value]) => [name, value])), THEIRS);
  const ours = new Map(Object.entries(BOT_VARIABLES).map(([name, one]) => [name, defaultOf(one)] as const));
  for (const [name, value] of Object.entries(THEIRS)) {
    t.ok(ours.has(name), name);
    if (name !== "LOGURU_LEVEL") t.equal(ours.get(name) ?? undefined, value, name);
  }
});

t.test("the example's file has all of them but the secrets, and no other", async (t) => {
  const file = readFileSync(join(example, "old-bot.env"), "utf8");
  const names = [...file.matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name);
  t.same(
    names.sort(),
    Object.keys(THEIRS)
      .filter((name) => !SECRETS.includes(name))
      .sort(),
  );
});

const password = randomBytes(9).toString("hex");
const secret = { name: "openclaw-toggle-operator", namespace: "clawdbot" };
/** The Deployment of their README, with more variables. */
const theirDeployment = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: secret,
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: secret.name } },
    template: {
      metadata: { labels: { app: secret.name } },
      spec: {
        containers: [
          {
            name: "operator",
            image: "xomoxcc/openclaw-k8s-toggle-operator:latest",
            env: [
              { name: "MATRIX_USER", value: "clawdbot-operator" },
              {
                name: "MATRIX_PASSWORD",
                valueFrom: { secretKeyRef: { name: secret.name, key: "matrix-password" } },
              },
              { name: "ALLOWED_USERS", value: "@henning:matrix.example.com,@openclaw:matrix.example.com" },
              { name: "KEYCLOAK_CLIENT_SECRET", value: "hidden" },
              { name: "CRYPTO_STORE_PATH", value: "/elsewhere" },
              { name: "ECHO_MODE", value: "no" },
              { name: "LOGURU_LEVEL", value: "WARNING" },
            ],
          },
        ],
      },
    },
  },
};
const theirs = [
  namespace("clawdbot"),
  theirDeployment,
  {
    apiVersion: "v1",
    kind: "Secret",
    metadata: secret,
    data: { "matrix-password": Buffer.from(password).toString("base64") },
  },
  {
    ...theirDeployment,
    metadata: { name: "clawdbot", namespace: "clawdbot", labels: { app: "clawdbot" } },
  },
];

/** What the guide's kustomization renders beside this project, with that file of the old variables. */
const built = (t: Test, variables: string) => {
  const folder = t.testdir({});
  symlinkSync(root, join(folder, "keyswitch"));
  mkdirSync(join(folder, "toggles"));
  writeFileSync(join(folder, "toggles/kustomization.yaml"), blockAfter("4. Beside this", "yaml"));
  writeFileSync(join(folder, "toggles/old-bot.env"), variables);
  return rendered(join(folder, "toggles"));
};

t.test("its commands take variables and password over, and the bot accepts what they make", async (t) => {
  const cluster = await startCluster(t);
  await cluster.apply(...theirs);
  const env = { ...process.env, KUBECONFIG: join(cluster.dir, "kubeconfig") };
  const shell = (commands: string) => run("sh", ["-ec", commands], { env, cwd: cluster.dir });
  const { stdout } = await shell(blockAfter("1. Keep its variables", "sh"));
  t.same(JSON.parse(stdout), { app: "clawdbot" });
  const variables = readFileSync(join(cluster.dir, "old-bot.env"), "utf8");
  t.same(variables.trim().split("\n"), [
    "MATRIX_USER=clawdbot-operator",
    "ALLOWED_USERS=@henning:matrix.example.com,@openclaw:matrix.example.com",
    "CRYPTO_STORE_PATH=/elsewhere",
    "ECHO_MODE=no",
    "LOGURU_LEVEL=WARNING",
    "DEPLOYMENT_NAME=clawdbot",
  ]);
  await shell(blockAfter("3. Make the credentials", "sh").replace(/^.*credentials\.sh.*$/m, ""));
  const made = await cluster.read(["secret", "keyswitch-bot", "-n", "keyswitch"]);
  t.equal(Buffer.from(String(valueAt(made, ["data", "password"])), "base64").toString(), password);

  const manifests = built(t, variables);
  const { env: inPod, folder } = podIn(t, manifests, ["Deployment", "keyswitch-bot"]);
  const account = join(folder, "account");
  mkdirSync(account);
  for (const file of ["token", "ca.crt"]) writeFileSync(join(account, file), "x");
  const service = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };
  t.hasStrict(accepted(parseBotConfig({ ...inPod, ...service }, account)), {
    logLevel: "warn",
    matrix: {
      homeserver: THEIRS.MATRIX_HOMESERVER,
      auth: { method: "password", user: "clawdbot-operator" },
    },
    allowedUsers: ["@henning:matrix.example.com", "@openclaw:matrix.example.com"],
    toggle: { name: "clawdbot", namespace: "clawdbot" },
    echoMode: false,
    addressing: { mode: "auto", bare: true },
    crypto: { storePath: join(folder, "/data/crypto_store") },
  });
});

t.test("the API server takes the kustomization, and the Toggle leaves the Deployment as it is", async (t) => {
  const manifests = built(t, "ALLOWED_USERS=@alice:example.org\n");
  t.same(
    manifests.filter(({ kind }) => kind === "DaemonSet"),
    [],
    "no agent",
  );
  const cluster = await startCluster(t);
  await cluster.apply(...theirs, namespace("keyswitch"));
  await cluster.kubectl(["apply", "--server-side", "-f", join(root, "manifests/crds/toggles.yaml")]);
  // The stand-in for the API server has no claims, and evaluates no admission policy.
  const unknown = /^(PersistentVolumeClaim|ValidatingAdmissionPolicy(Binding)?)$/;
  const items = manifests.filter(({ kind }) => !unknown.test(kind));
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  const applied = await cluster.kubectl(["apply", "--server-side", "--validate=strict", "-f", "-"], list);
  t.equal(applied.match(/serverside-applied/g)?.length, items.length);
  t.match(pick(manifests, "Toggle", "clawdbot"), {
    metadata: { namespace: "clawdbot" },
    spec: { selector: { matchLabels: { app: "clawdbot" } } },
  });
  const toggle = await cluster.read(["toggle", "clawdbot", "-n", "clawdbot"]);
  t.notOk(valueAt(toggle, ["spec", "enabled"]) !== undefined);
});
