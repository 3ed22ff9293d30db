// SPDX-License-Identifier: Apache-2.0
// Tests the webhook's environment variables: valid values, error messages, and that all errors come at once.
import t from "tap";
import { parseWebhookConfig } from "../../server/webhook/config.ts";
import { at, authority, minimal, other, parse, root, server, tls } from "./config-files.ts";

t.test("the least configuration takes the defaults and is frozen", async (t) => {
  const result = parse(minimal);
  t.same(result, {
    ok: true,
    config: {
      logLevel: "info",
      listenHost: "127.0.0.1",
      listenPort: 8443,
      agents: [{ name: "hsm-a", origin: "https://hsm-a.keyswitch:8444" }],
      toggleTemplates: false,
      togglePods: true,
      startTimeoutSeconds: 600,
    },
  });
  if (!result.ok) return;
  t.ok(Object.isFrozen(result.config));
  t.ok(Object.isFrozen(result.config.agents[0]));
});

t.test("a whole configuration keeps paths and the order of agents", async (t) => {
  const result = parse({
    ...tls,
    LOG_LEVEL: "debug",
    LISTEN_HOST: "0.0.0.0",
    LISTEN_PORT: "9443",
    TLS_CLIENT_CA_FILE: authority.caFile,
    HOOK_TOKEN_FILE: at("token"),
    AGENTS: " b=https://b:8444 , a=https://[fd00::1]:8444/, l=http://127.0.0.1:1 ",
    AGENT_TOKEN_FILE: at("token"),
    AGENT_WRITE_TOKEN_FILE: at("token"),
    AGENT_CA_FILE: authority.caFile,
    AGENT_ROLE_TOKEN_FILE: at("token"),
    AGENT_SERVER_NAME: "agent.elsewhere.svc",
    PATH_POLICY_FILE: at("policy"),
    DISCOVERY_TOKEN_FILE: at("token"),
    DISCOVERY_CA_FILE: authority.caFile,
    DISCOVERY_SERVER_NAME: "discovery.elsewhere.svc",
    TOGGLE_TEMPLATES: "True",
    TOGGLE_PODS: "no",
    START_TIMEOUT: "90",
    KUBERNETES_SERVICE_HOST: "10.96.0.1",
    KUBERNETES_SERVICE_PORT: "443",
  });
  t.same(result, {
    ok: true,
    config: {
      logLevel: "debug",
      listenHost: "0.0.0.0",
      listenPort: 9443,
      tls: { certFile: server.certFile, keyFile: server.keyFile, clientCaFile: authority.caFile },
      hookTokenFile: at("token"),
      agents: [
        { name: "b", origin: "https://b:8444" },
        { name: "a", origin: "https://[fd00::1]:8444" },
        { name: "l", origin: "http://127.0.0.1:1" },
      ],
      agentTokenFile: at("token"),
      agentWriteTokenFile: at("token"),
      agentCaFile: authority.caFile,
      pathPolicyFile: at("policy"),
      toggleTemplates: true,
      togglePods: false,
      startTimeoutSeconds: 90,
      roles: {
        tokenFile: at("token"),
        caFile: authority.caFile,
        serverName: "agent.elsewhere.svc",
      },
      discovery: {
        tokenFile: at("token"),
        caFile: authority.caFile,
        serverName: "discovery.elsewhere.svc",
      },
      inCluster: {
        origin: "https://10.96.0.1:443",
        tokenFile: at("service-account/token"),
        caFile: at("service-account/ca.crt"),
      },
    },
  });
});

t.test("discovery is asked only with a token", async (t) => {
  const none = parse({ ...minimal, DISCOVERY_CA_FILE: authority.caFile });
  t.ok(none.ok && none.config.discovery === undefined);
  const asked = parse({ ...minimal, DISCOVERY_TOKEN_FILE: at("token") });
  t.match(asked, { config: { discovery: { serverName: "keyswitch-discovery.keyswitch.svc" } } });
});

t.test("a write token's file may be left out", async (t) => {
  const result = parse({ ...minimal, AGENT_WRITE_TOKEN_FILE: at("none") });
  t.ok(result.ok && result.config.agentWriteTokenFile === undefined);
});

t.test("agents are given roles only with a token, whose file may be left out", async (t) => {
  for (const env of [{ AGENT_ROLE_TOKEN_FILE: at("none") }, { AGENT_SERVER_NAME: "a.svc" }]) {
    const result = parse({ ...minimal, ...env });
    t.ok(result.ok && result.config.roles === undefined);
  }
  const given = parse({ ...minimal, AGENT_ROLE_TOKEN_FILE: at("token") });
  t.match(given, { config: { roles: { serverName: "keyswitch-agent.keyswitch.svc" } } });
});

t.test("an empty variable counts as unset", async (t) => {
  const result = parse({ ...minimal, LISTEN_PORT: "", HOOK_TOKEN_FILE: "", LOG_LEVEL: " " });
  t.match(result, { ok: true, config: { listenPort: 8443, logLevel: "info" } });
});

t.test("without a service account there is nowhere to post events", async (t) => {
  const env = { ...minimal, KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };
  const result = parseWebhookConfig(env, at("none"));
  t.ok(result.ok && result.config.inCluster === undefined);
});

const rows: [sentence: string, env: Record<string, string>, name: string, message: string][] = [
  ["agents are required", { AGENTS: "" }, "AGENTS", "is required"],
  [
    "a level must be known",
    { LOG_LEVEL: "loud" },
    "LOG_LEVEL",
    "must be one of fatal, error, warn, info, debug, trace, silent",
  ],
  ["a port is a number", { LISTEN_PORT: "https" }, "LISTEN_PORT", "must be a whole number from 0 to 65535"],
  ["a port is in range", { LISTEN_PORT: "65536" }, "LISTEN_PORT", "must be a whole number from 0 to 65535"],
  ["a port has no exponent", { LISTEN_PORT: "1e3" }, "LISTEN_PORT", "must be a whole number from 0 to 65535"],
  ["a host has no blanks", { LISTEN_HOST: "a b" }, "LISTEN_HOST", "must be a host name or an IP address"],
  [
    "a token file must exist",
    { HOOK_TOKEN_FILE: at("none") },
    "HOOK_TOKEN_FILE",
    `${at("none")} does not exist`,
  ],
  ["a token file is a file", { HOOK_TOKEN_FILE: root }, "HOOK_TOKEN_FILE", `${root} is a directory`],
  [
    "a token file holds a token",
    { HOOK_TOKEN_FILE: at("empty") },
    "HOOK_TOKEN_FILE",
    `${at("empty")} holds no token`,
  ],
  [
    "a token file's bad line is named by number",
    { AGENT_TOKEN_FILE: at("broken") },
    "AGENT_TOKEN_FILE",
    `${at("broken")} holds something in line 1 that is not a bearer token`,
  ],
  [
    "a CA file holds a certificate",
    { AGENT_CA_FILE: at("token") },
    "AGENT_CA_FILE",
    `${at("token")} holds no PEM certificate`,
  ],
  [
    "discovery's CA file holds a certificate",
    { DISCOVERY_CA_FILE: at("token") },
    "DISCOVERY_CA_FILE",
    `${at("token")} holds no PEM certificate`,
  ],
  [
    "discovery's name is one that a certificate can have",
    { DISCOVERY_SERVER_NAME: "a b" },
    "DISCOVERY_SERVER_NAME",
    "must be a DNS name",
  ],
  [
    "a certificate needs its key",
    { TLS_CERT_FILE: server.certFile },
    "TLS_KEY_FILE",
    "is required beside TLS_CERT_FILE",
  ],
  [
    "a key needs its certificate",
    { TLS_KEY_FILE: server.keyFile },
    "TLS_CERT_FILE",
    "is required beside TLS_KEY_FILE",
  ],
  [
    "a certificate must fit its key",
    { TLS_CERT_FILE: server.certFile, TLS_KEY_FILE: other.keyFile },
    "TLS_CERT_FILE",
    `${server.certFile} is not a PEM certificate that fits the key in ${other.keyFile}`,
  ],
  [
    "a client CA needs a certificate of the listener",
    { TLS_CLIENT_CA_FILE: authority.caFile },
    "TLS_CLIENT_CA_FILE",
    "needs TLS_CERT_FILE and TLS_KEY_FILE",
  ],
  [
    "beyond loopback everything is missing",
    { LISTEN_HOST: "0.0.0.0" },
    "LISTEN_HOST",
    "0.0.0.0 is beyond loopback, which needs TLS_CERT_FILE and TLS_KEY_FILE and HOOK_TOKEN_FILE or TLS_CLIENT_CA_FILE to be set",
  ],
  [
    "beyond loopback TLS alone is not enough",
    { ...tls, LISTEN_HOST: "::" },
    "LISTEN_HOST",
    ":: is beyond loopback, which needs HOOK_TOKEN_FILE or TLS_CLIENT_CA_FILE to be set",
  ],
  [
    "beyond loopback a token alone is not enough",
    { HOOK_TOKEN_FILE: at("token"), LISTEN_HOST: "example.org" },
    "LISTEN_HOST",
    "example.org is beyond loopback, which needs TLS_CERT_FILE and TLS_KEY_FILE to be set",
  ],
  ["an agent has a name", { AGENTS: "https://a:1" }, "AGENTS", "entry 1 must be name=https://host:port"],
  [
    "an agent's name is plain",
    { AGENTS: "A=https://a:1" },
    "AGENTS",
    "entry 1 must start with a name of lower-case letters, digits, - and .",
  ],
  [
    "an agent has an address",
    { AGENTS: "a=https://a:1,b=b:1" },
    "AGENTS",
    "entry 2 (b) must be an https:// address",
  ],
  [
    "an agent's address has no path",
    { AGENTS: "a=https://a:1/v1" },
    "AGENTS",
    "entry 1 (a) must be scheme, host and port alone",
  ],
  [
    "an agent's address has no credentials",
    { AGENTS: "a=https://u:hunter2@a:1" },
    "AGENTS",
    "entry 1 (a) must not hold credentials; AGENT_TOKEN_FILE is the place for them",
  ],
  [
    "plain HTTP is for loopback",
    { AGENTS: "a=http://10.0.0.1:8444" },
    "AGENTS",
    "entry 1 (a) must use https://; http:// is accepted on loopback alone",
  ],
  [
    "agents' names are unique",
    { AGENTS: "a=https://a:1,a=https://b:1" },
    "AGENTS",
    "entry 2 repeats the name a",
  ],
  ["no entry is empty", { AGENTS: "a=https://a:1," }, "AGENTS", "entry 2 must be name=https://host:port"],
  [
    "a policy is JSON or YAML",
    { PATH_POLICY_FILE: at("no-policy") },
    "PATH_POLICY_FILE",
    `${at("no-policy")} is neither JSON nor YAML (line 1)`,
  ],
];
for (const [sentence, env, name, message] of rows) {
  t.test(sentence, async (t) =>
    t.same(parse({ ...minimal, ...env }), { ok: false, faults: [{ name, message }] }),
  );
}

t.test("a policy's faults are named by field, without their values", async (t) => {
  const result = parse({ ...minimal, PATH_POLICY_FILE: at("bad-policy") });
  t.match(result, {
    ok: false,
    faults: [{ name: "PATH_POLICY_FILE", message: /\[0\]\.prefix: .*\[1\]\.namespace: / }],
  });
  t.notMatch(JSON.stringify(result), /hunter2/);
});

t.test("all faults come at once", async (t) => {
  const result = parse({
    LISTEN_PORT: "x",
    HOOK_TOKEN_FILE: at("none"),
    AGENTS: "a=ftp://a,b",
    LISTEN_HOST: "0.0.0.0",
  });
  t.same(result.ok ? [] : result.faults.map(({ name }) => name).sort(), [
    "AGENTS",
    "AGENTS",
    "HOOK_TOKEN_FILE",
    "LISTEN_HOST",
    "LISTEN_PORT",
  ]);
});
