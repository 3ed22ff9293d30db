// SPDX-License-Identifier: Apache-2.0
// Tests the agent's environment variables: defaults, the choice between label and slot, and errors.
import { join } from "node:path";
import t from "tap";
import { parseAgentConfig } from "../../server/agent/config.ts";
import { createAuthority } from "../http/authority.ts";

const root = t.testdir({ module: "", pin: "1234", token: "read-token" });
const at = (name: string) => join(root, name);
const server = createAuthority(root).issue("server");
const minimal = {
  DEVICE_NAME: "hsm-a",
  NODE_NAME: "node-1.example",
  PKCS11_MODULE: at("module"),
  PKCS11_TOKEN_LABEL: "Pico HSM",
  PKCS11_PIN_FILE: at("pin"),
};
const defaults = {
  logLevel: "info",
  listenHost: "127.0.0.1",
  listenPort: 8444,
  deviceName: "hsm-a",
  nodeName: "node-1.example",
  pkcs11: { module: at("module"), tokenLabel: "Pico HSM", pinFile: at("pin"), cache: "auto" },
  writes: { layout: "packed" },
  operationTimeoutMs: 10_000,
  refreshIntervalMs: 30_000,
  sysfsRoot: "/sys",
};

t.test("the least configuration takes the defaults and is frozen", async (t) => {
  const result = parseAgentConfig(minimal);
  t.same(result, { ok: true, config: defaults });
  t.ok(result.ok && Object.isFrozen(result.config.pkcs11));
});

t.test("a whole configuration", async (t) => {
  const { PKCS11_TOKEN_LABEL: _, ...env } = minimal;
  const result = parseAgentConfig({
    ...env,
    LISTEN_HOST: "0.0.0.0",
    TLS_CERT_FILE: server.certFile,
    TLS_KEY_FILE: server.keyFile,
    READ_TOKEN_FILE: at("token"),
    WRITE_TOKEN_FILE: at("token"),
    ROLE_TOKEN_FILE: at("token"),
    PEER_CA_FILE: server.certFile,
    PKCS11_SLOT: "2305843009213693953",
    PKCS11_PUBLIC_OBJECTS: "per-key",
    PKCS11_OWN_PIN_FILE: "/etc/pins/own",
    PKCS11_AUTO_PROVISION: "false",
    PKCS11_CACHE: "cached",
    PKCS11_MAX_OBJECTS: "128",
    PKCS11_MAX_OBJECT_BYTES: "4096",
    STORAGE_LAYOUT: "per-key",
    OPERATION_TIMEOUT_MS: "500",
    REFRESH_INTERVAL_MS: "1000",
    SYSFS_ROOT: "/host/sys",
  });
  t.same(result, {
    ok: true,
    config: {
      ...defaults,
      listenHost: "0.0.0.0",
      tls: { certFile: server.certFile, keyFile: server.keyFile },
      readTokenFile: at("token"),
      writeTokenFile: at("token"),
      roleTokenFile: at("token"),
      peerCaFile: server.certFile,
      writes: { layout: "per-key", maxObjects: 128, maxObjectBytes: 4096 },
      pkcs11: {
        module: at("module"),
        slot: "2305843009213693953",
        readsPublic: true,
        pinFile: at("pin"),
        ownPinFile: "/etc/pins/own",
        cache: "cached",
      },
      operationTimeoutMs: 500,
      refreshIntervalMs: 1000,
      sysfsRoot: "/host/sys",
    },
  });
});

t.test("blank tokens are set up where it is asked for", async (t) => {
  const asked = { ...minimal, PKCS11_AUTO_PROVISION: "true", PKCS11_SO_PIN_OUTPUT: "/so-pin/hsm-a" };
  const provision = { soPinFile: "/so-pin/hsm-a" };
  t.match(parseAgentConfig(asked), { ok: true, config: { pkcs11: { ...defaults.pkcs11, provision } } });
  const notAsked = parseAgentConfig({ ...asked, PKCS11_AUTO_PROVISION: "no" });
  t.same(notAsked, { ok: true, config: defaults });
  const { PKCS11_TOKEN_LABEL: _, ...unlabelled } = asked;
  t.match(parseAgentConfig({ ...unlabelled, PKCS11_SLOT: "0" }), {
    faults: [{ name: "PKCS11_AUTO_PROVISION", message: /needs PKCS11_TOKEN_LABEL/ }],
  });
});

const rows: [sentence: string, env: Record<string, string>, name: string, message: string][] = [
  ["a device name is required", { DEVICE_NAME: "" }, "DEVICE_NAME", "is required"],
  [
    "a device name is plain",
    { DEVICE_NAME: "HSM A" },
    "DEVICE_NAME",
    "must be a Kubernetes name such as hsm-a",
  ],
  ["a node name is required", { NODE_NAME: "" }, "NODE_NAME", "is required"],
  ["a module is required", { PKCS11_MODULE: "" }, "PKCS11_MODULE", "is required"],
  ["a module must exist", { PKCS11_MODULE: at("none") }, "PKCS11_MODULE", `${at("none")} does not exist`],
  ["a PIN file is required", { PKCS11_PIN_FILE: "" }, "PKCS11_PIN_FILE", "is required"],
  [
    "a PIN file must exist",
    { PKCS11_PIN_FILE: at("none") },
    "PKCS11_PIN_FILE",
    `${at("none")} does not exist`,
  ],
  [
    "the token is named",
    { PKCS11_TOKEN_LABEL: "" },
    "PKCS11_TOKEN_LABEL",
    "is required, unless PKCS11_SLOT is set",
  ],
  [
    "the token is named once",
    { PKCS11_SLOT: "0" },
    "PKCS11_SLOT",
    "must not be set beside PKCS11_TOKEN_LABEL",
  ],
  [
    "a label fits a token",
    { PKCS11_TOKEN_LABEL: "x".repeat(33) },
    "PKCS11_TOKEN_LABEL",
    "must be a label of 1 to 32 characters",
  ],
  [
    "a cache mode must be known",
    { PKCS11_CACHE: "yes" },
    "PKCS11_CACHE",
    "must be one of auto, live, cached",
  ],
  [
    "an agent of a set has a token to ask the others with",
    { ROLE_TOKEN_FILE: at("token") },
    "ROLE_TOKEN_FILE",
    "needs READ_TOKEN_FILE: the agents of a set are read with its tokens",
  ],
  [
    "a CA of the others is of use in a set alone",
    { PEER_CA_FILE: server.certFile },
    "PEER_CA_FILE",
    "is of use only beside ROLE_TOKEN_FILE",
  ],
  [
    "a deadline is in range",
    { OPERATION_TIMEOUT_MS: "5" },
    "OPERATION_TIMEOUT_MS",
    "must be a whole number from 100 to 600000",
  ],
  [
    "a write token alone must exist, or anybody on loopback could write",
    { WRITE_TOKEN_FILE: at("none") },
    "WRITE_TOKEN_FILE",
    `${at("none")} does not exist`,
  ],
  [
    "an SO PIN has to go somewhere",
    { PKCS11_AUTO_PROVISION: "true" },
    "PKCS11_SO_PIN_OUTPUT",
    "is required, as PKCS11_AUTO_PROVISION is set",
  ],
  [
    "the label of a token that is set up has 32 bytes at most",
    {
      PKCS11_AUTO_PROVISION: "true",
      PKCS11_SO_PIN_OUTPUT: "/so-pin",
      PKCS11_TOKEN_LABEL: "ü".repeat(17),
    },
    "PKCS11_TOKEN_LABEL",
    "must be 32 bytes at most, as PKCS11_AUTO_PROVISION is set",
  ],
  ["a root is absolute", { SYSFS_ROOT: "sys" }, "SYSFS_ROOT", "must be an absolute path"],
  [
    "beyond loopback a write token does not stand in for a read token",
    { LISTEN_HOST: "0.0.0.0", WRITE_TOKEN_FILE: at("token") },
    "LISTEN_HOST",
    "0.0.0.0 is beyond loopback, which needs TLS_CERT_FILE and TLS_KEY_FILE and READ_TOKEN_FILE or TLS_CLIENT_CA_FILE to be set",
  ],
];
for (const [sentence, env, name, message] of rows) {
  t.test(sentence, async (t) =>
    t.same(parseAgentConfig({ ...minimal, ...env }), { ok: false, faults: [{ name, message }] }),
  );
}

t.test("beside a read token, a write token's file may be left out", async (t) => {
  const env = { ...minimal, READ_TOKEN_FILE: at("token"), WRITE_TOKEN_FILE: at("none") };
  t.same(parseAgentConfig(env), { ok: true, config: { ...defaults, readTokenFile: at("token") } });
});

t.test("an empty environment has every fault", async (t) => {
  const result = parseAgentConfig({});
  const names = result.ok ? [] : result.faults.map(({ name }) => name).sort();
  t.same(names, ["DEVICE_NAME", "NODE_NAME", "PKCS11_MODULE", "PKCS11_PIN_FILE", "PKCS11_TOKEN_LABEL"]);
});
