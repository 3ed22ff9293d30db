// SPDX-License-Identifier: Apache-2.0
// Tests that each role accepts its pod's configuration: the environment of the manifests, with the files of credentials.sh
// mounted as the manifests mount them.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { parseAgentConfig } from "../../server/agent/config.ts";
import { parseBotConfig } from "../../server/bot/config.ts";
import { parseWebhookConfig } from "../../server/webhook/config.ts";
import { accepted, NODE, podIn } from "./pod-environment.ts";
import { rendered } from "./rendered.ts";

const manifests = [...rendered("manifests"), ...rendered("manifests/examples/matrix-bot")];
const pod = (t: Test, kind: string, name: string, options?: { isReadOnly: boolean }) =>
  podIn(t, manifests, [kind, name], options);

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
