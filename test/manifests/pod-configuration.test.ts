// SPDX-License-Identifier: Apache-2.0
// Each role's own configuration accepts its pod: the environment of the manifests, with the files that credentials.sh
// makes mounted as the manifests mount them.
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Type } from "@sinclair/typebox";
import t, { type Test } from "tap";
import { parseAgentConfig } from "../../server/config/agent.ts";
import type { ConfigResult, Environment } from "../../server/config/variables.ts";
import { parseWebhookConfig } from "../../server/config/webhook.ts";
import { credentials, secretsIn } from "./credentials.ts";
import { as, pick, rendered, Workload } from "./rendered.ts";

const manifests = rendered("manifests");
const ConfigMap = Type.Object({ data: Type.Record(Type.String(), Type.String()) });
const NODE = "worker-1";

/** Mounts what the pod mounts under a folder, and gives the pod's environment with its paths moved there. */
const pod = (t: Test, kind: string, name: string): { env: Environment; folder: string } => {
  const folder = t.testdir({ pin: randomBytes(8).toString("hex") });
  const secrets = secretsIn(credentials(["--pin-file", join(folder, "pin")]).stdout);
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
    const { secret, projected, configMap } = volume ?? {};
    const sources = projected?.sources.map(({ secret }) => secret) ?? [];
    if (secret !== undefined) sources.push({ name: secret.secretName, items: secret.items ?? [] });
    for (const { name, items } of sources) {
      for (const { key, path } of items) put(join(mountPath, path), secrets.get(name)?.data.get(key));
    }
    if (configMap === undefined) continue;
    const { data } = as(ConfigMap, pick(manifests, "ConfigMap", configMap.name));
    for (const [key, content] of Object.entries(data)) put(join(mountPath, key), content);
  }
  const fields: Record<string, string | undefined> = {
    "spec.nodeName": NODE,
    "metadata.labels['hsm.j5t.io/device']": metadata.labels["hsm.j5t.io/device"],
  };
  // The module is in the image.
  put("/usr/lib/opensc-pkcs11.so", "");
  const env = (container.env ?? []).map(({ name, value, valueFrom }) => {
    const text = valueFrom === undefined ? value : fields[valueFrom.fieldRef.fieldPath];
    return [
      name,
      name.endsWith("_FILE") || name === "PKCS11_MODULE" ? join(folder, text ?? "") : text,
    ] as const;
  });
  return { env: Object.fromEntries(env), folder };
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
});

t.test("the agent's pod, which only reads", async (t) => {
  const { env } = pod(t, "DaemonSet", "keyswitch-agent");
  const config = accepted(parseAgentConfig(env));
  t.hasStrict(config, { listenHost: "0.0.0.0", listenPort: 8444, nodeName: NODE, deviceName: "hsm" });
  t.ok(config.tls, "it serves TLS");
  t.equal(config.writeTokenFile, undefined);
  t.hasStrict(config.pkcs11, { slot: 0, cache: "auto" });
});
