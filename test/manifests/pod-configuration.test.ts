// SPDX-License-Identifier: Apache-2.0
// Tests that each role accepts its pod's configuration: the environment of the manifests, with the files of credentials.sh
// mounted as the manifests mount them.
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import t, { type Test } from "tap";
import { parseAgentConfig } from "../../server/agent/config.ts";
import { parseBotConfig } from "../../server/bot/config.ts";
import type { ConfigResult, Environment } from "../../server/config/variables.ts";
import { parseWebhookConfig } from "../../server/webhook/config.ts";
import { credentials, secretsIn } from "./credentials.ts";
import { as, pick, rendered, Workload } from "./rendered.ts";

const manifests = [...rendered("manifests"), ...rendered("manifests/examples/matrix-bot")];
const ConfigMap = Type.Object({ data: Type.Record(Type.String(), Type.String()) });
const NODE = "worker-1";
/** The variables that hold paths in the pod. */
const PATHS = /_FILE$|^PKCS11_MODULE$|^CRYPTO_STORE_PATH$/;

type Volume = Static<typeof Workload>["spec"]["template"]["spec"]["volumes"][number];

/** The files of a volume; undefined where a Secret lacks what is not optional. */
const filesOf = (
  { secret, projected, configMap }: Volume,
  secrets: ReturnType<typeof secretsIn>,
): [path: string, content: Buffer | string | undefined][] => {
  const sources = projected?.sources.map((source) => source.secret) ?? [];
  if (secret !== undefined) sources.push({ ...secret, name: secret.secretName, items: secret.items ?? [] });
  const ofSecrets = sources.flatMap(({ name, items, optional = false }) =>
    items
      .map(({ key, path }): [string, Buffer | undefined] => [path, secrets.get(name)?.data.get(key)])
      .filter(([, content]) => content !== undefined || !optional),
  );
  if (configMap === undefined) return ofSecrets;
  const { data } = as(ConfigMap, pick(manifests, "ConfigMap", configMap.name));
  return [...ofSecrets, ...Object.entries(data)];
};

/** Mounts what the pod mounts under a folder, and gives the pod's environment with its paths moved there. */
const pod = (
  t: Test,
  kind: string,
  name: string,
  { isReadOnly = false } = {},
): { env: Environment; folder: string } => {
  const folder = t.testdir({ pin: randomBytes(8).toString("hex") });
  const parts = ["--only", "tls,tokens,pin,bot", "--pin-file", join(folder, "pin")];
  const secrets = secretsIn(credentials(parts).stdout);
  const password = Buffer.from(randomBytes(8).toString("hex"));
  if (isReadOnly) secrets.get("keyswitch-agent-token")?.data.delete("write");
  secrets.set("keyswitch-bot", { type: "Opaque", data: new Map([["password", password]]) });
  const { metadata, spec } = as(Workload, pick(manifests, kind, name)).spec.template;
  const [container] = spec.containers;
  if (container === undefined) throw new Error("no container");
  const put = (path: string, content: Buffer | string | undefined) => {
    if (content === undefined) throw new Error(`nothing is there to mount at ${path}`);
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  for (const { name, mountPath } of container.volumeMounts) {
    const volume = spec.volumes.find((volume) => volume.name === name);
    for (const [path, content] of volume === undefined ? [] : filesOf(volume, secrets)) {
      put(join(mountPath, path), content);
    }
  }
  const fields: Record<string, string | undefined> = {
    "spec.nodeName": NODE,
    "metadata.labels['hsm.j5t.io/device']": metadata.labels["hsm.j5t.io/device"],
  };
  // The module is in the image.
  put("/usr/lib/opensc-pkcs11.so", "");
  const settings = (container.envFrom ?? []).flatMap(({ configMapRef }) =>
    Object.entries(as(ConfigMap, pick(manifests, "ConfigMap", configMapRef.name)).data),
  );
  const own = (container.env ?? []).map(({ name, value, valueFrom }) => {
    const text = valueFrom === undefined ? value : fields[valueFrom.fieldRef.fieldPath];
    return [name, text] as const;
  });
  const moved = [...settings, ...own].map(
    ([name, text]) => [name, PATHS.test(name) ? join(folder, text ?? "") : text] as const,
  );
  return { env: Object.fromEntries(moved), folder };
};

const accepted = <C>(result: ConfigResult<C>): C => {
  if (!result.ok) throw new Error(JSON.stringify(result.faults));
  return result.config;
};

t.test("the webhook's pod", async (t) => {
  const { env, folder } = pod(t, "Deployment", "keyswitch-webhook");
  const config = accepted(parseWebhookConfig(env, join(folder, "no-service-account")));
  t.hasStrict(config, { listenHost: "0.0.0.0", listenPort: 8443 });
  t.ok(config.tls, "it serves TLS");
  t.equal(config.agents.length, 1);
  t.equal(readFileSync(config.agentTokenFile ?? "", "utf8").length, 64);
  t.equal(readFileSync(config.agentWriteTokenFile ?? "", "utf8").length, 64);
});

t.test("the webhook's pod where nobody may write", async (t) => {
  const { env, folder } = pod(t, "Deployment", "keyswitch-webhook", { isReadOnly: true });
  const config = accepted(parseWebhookConfig(env, join(folder, "no-service-account")));
  t.equal(readFileSync(config.agentTokenFile ?? "", "utf8").length, 64);
  t.equal(config.agentWriteTokenFile, undefined);
});

t.test("the agent's pod", async (t) => {
  const { env } = pod(t, "DaemonSet", "keyswitch-agent");
  const config = accepted(parseAgentConfig(env));
  t.hasStrict(config, { listenHost: "0.0.0.0", listenPort: 8444, nodeName: NODE, deviceName: "hsm" });
  t.ok(config.tls, "it serves TLS");
  const [read, write] = [config.readTokenFile, config.writeTokenFile].map((path) =>
    readFileSync(path ?? "", "utf8"),
  );
  t.not(read, write);
  t.same([read?.length, write?.length], [64, 64]);
  t.hasStrict(config.pkcs11, { slot: "0", cache: "auto" });
});

t.test("the agent's pod where nobody may write", async (t) => {
  const { env } = pod(t, "DaemonSet", "keyswitch-agent", { isReadOnly: true });
  const config = accepted(parseAgentConfig(env));
  t.equal(readFileSync(config.readTokenFile ?? "", "utf8").length, 64);
  t.equal(config.writeTokenFile, undefined);
});

t.test("the bot's pod, with a password and no other key in its Secret", async (t) => {
  const { env, folder } = pod(t, "Deployment", "keyswitch-bot");
  const account = "var/run/secrets/kubernetes.io/serviceaccount";
  mkdirSync(join(folder, account), { recursive: true });
  for (const file of ["token", "ca.crt"]) writeFileSync(join(folder, account, file), "x");
  const inPod = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };
  const config = accepted(parseBotConfig({ ...env, ...inPod }, join(folder, account)));
  t.hasStrict(config, {
    listenHost: "0.0.0.0",
    listenPort: 8445,
    toggle: { name: "web", namespace: "shop" },
  });
  t.ok(config.tls, "it serves TLS");
  t.equal(readFileSync(config.metricsTokenFile ?? "", "utf8").length, 64);
  t.hasStrict(config.matrix, { homeserver: "https://matrix.example.org", auth: { method: "password" } });
});
