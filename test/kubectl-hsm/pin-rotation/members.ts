// SPDX-License-Identifier: Apache-2.0
// Sets up an HSMDevice in the local control plane with real agents on SoftHSM2 tokens, and a kubelet's part: PIN files that follow the
// Secret when the test says so.
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Test } from "tap";
import { agentName } from "../../../hooks/hsmdevice/names.ts";
import { eventually } from "../../../scripts/local/eventually.ts";
import { freePort } from "../../../scripts/local/free-port.ts";
import { makeToken, type TestToken } from "../../../scripts/local/softhsm-token.ts";
import { type AgentProcess, startAgentOn } from "../../agent/pkcs11/token-fixture.ts";
import { makeTestModule, type TestModule } from "../../doubles/pkcs11-module/build.ts";
import { type Cluster, secretData, startCluster } from "../cluster/cluster.ts";
import { temporaryFolder } from "../fixture.ts";

const run = promisify(execFile);

type Member = {
  /** The agent's name. */
  agent: string;
  module: TestModule;
  /** Writes what the Secret has into the agent's PIN files, as a kubelet does a minute or two later. */
  syncFiles(): Promise<void>;
  /** Ends the agent and starts it anew. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  /** Whether the token takes the PIN. */
  takes(pin: string): Promise<boolean>;
  /** Whether the agent can read its token, after its child was started anew. */
  works(): Promise<boolean>;
};

export type Members = {
  cluster: Cluster;
  members: Member[];
  /** The Secret as text. */
  pins(): Promise<Record<string, string>>;
  /** The annotation that names the token in doubt. */
  underWay(): Promise<string | undefined>;
  rotate(options?: { next?: string; killAt?: string; more?: string[] }): ReturnType<Cluster["run"]>;
};

export const newPin = (): string => String(randomInt(10_000_000, 99_999_999));

const NAMESPACE = "keyswitch";
const SECRET = "pico-pin";
const API = `/apis/hsm.j5t.io/v1alpha1/namespaces/${NAMESPACE}/hsmdevices`;
const LABELS = { "app.kubernetes.io/name": "keyswitch-hsmdevice-agent", "hsm.j5t.io/hsmdevice": "pico" };

const makeDevice = async ({ api }: Cluster, ids: readonly string[]): Promise<string> => {
  const metadata = { name: "pico", namespace: NAMESPACE };
  const spec = { deviceType: "PicoHSM", pkcs11: { pinSecret: { name: SECRET } } };
  const device = { apiVersion: "hsm.j5t.io/v1alpha1", kind: "HSMDevice", metadata };
  const { body } = await api.call("POST", API, { ...device, spec });
  const uid = JSON.stringify(body).match(/"uid":"([^"]+)"/)?.[1] ?? "";
  const discoveredDevices = ids.map((id) => ({ id, nodeName: "a", health: "Healthy", available: true }));
  const status = { discoveredDevices };
  const answer = await api.call("PATCH", `${API}/pico/status`, { status }, "application/merge-patch+json");
  if (answer.code !== 200) throw new Error(JSON.stringify(answer.body));
  return uid;
};

/** A PIN file, replaced as a kubelet does; none where there is no PIN. */
const writePin = (file: string, pin: string | undefined): void => {
  if (pin === undefined) rmSync(file, { force: true });
  else {
    writeFileSync(`${file}.new`, pin);
    renameSync(`${file}.new`, file);
  }
};

/** Whether the agent has loaded its token anew. */
const refresh = async (url: string, { ca, token }: { ca: string; token: string }): Promise<boolean> => {
  const headers = { authorization: `Bearer ${token}` };
  const asked = request(`${url}/v1/refresh`, { method: "POST", ca, headers, servername: "keyswitch-agent" });
  asked.end();
  const [answer]: IncomingMessage[] = await once(asked, "response");
  answer?.resume();
  return answer?.statusCode === 200;
};

type Place = { folder: string; token: TestToken; module: TestModule; agent: string };

const startMember = async (t: Test, cluster: Cluster, place: Place): Promise<Member> => {
  const { folder, token, module, agent } = place;
  const { tls, tokens } = cluster.listener;
  const [own, read, write] = ["own", "read", "write"].map((name) => join(folder, name));
  writeFileSync(read ?? "", tokens.read);
  writeFileSync(write ?? "", tokens.write);
  const syncFiles = async (): Promise<void> => {
    const pins = await secretData(cluster.api, NAMESPACE, SECRET);
    writePin(token.pinFile, pins.pin);
    writePin(own ?? "", pins[`pin.${agent}`]);
  };
  await syncFiles();
  const env = { ...token.env, ...module.env };
  const way = { module: module.module, label: token.label, pinFile: token.pinFile, env };
  const port = await freePort();
  const start = (): Promise<AgentProcess> =>
    startAgentOn(t, way, {
      DEVICE_NAME: agent,
      LISTEN_PORT: String(port),
      PKCS11_OWN_PIN_FILE: own,
      READ_TOKEN_FILE: read,
      WRITE_TOKEN_FILE: write,
      TLS_CERT_FILE: tls.certFile,
      TLS_KEY_FILE: tls.keyFile,
    });
  let process = await start();
  await cluster.addPod(`${agent}-1`, agent, process, LABELS);
  return {
    agent,
    module,
    syncFiles,
    stop: async () => void (await process.stop()),
    restart: async () => {
      await process.stop();
      process = await start();
    },
    takes: async (pin) => {
      const args = [
        "--module",
        token.module,
        "--token-label",
        token.label,
        "--login",
        "--pin",
        "env:PIN",
        "-O",
      ];
      const tried = await run("pkcs11-tool", args, {
        env: { ...globalThis.process.env, ...env, PIN: pin },
      }).catch(() => undefined);
      return tried !== undefined;
    },
    works: async () => {
      const ca = String((await secretData(cluster.api, NAMESPACE, "keyswitch-agent-tls"))["ca.crt"]);
      const refreshed = () => refresh(process.url, { ca, token: tokens.read });
      module.control("crash C_FindObjectsInit segv 1");
      await refreshed();
      module.control();
      return refreshed();
    },
  };
};

/** An HSMDevice with an agent on a token of its own for each id, all with one PIN. */
export const startMembers = async (t: Test, ids: readonly string[]): Promise<Members> => {
  const cluster = await startCluster(t);
  const folder = temporaryFolder(t);
  await cluster.api.kubectl(
    `apply -k ${new URL("../../../manifests/crds/hsmdevice", import.meta.url).pathname}`,
  );
  await eventually("HSMDevices are known", async () => (await cluster.api.call("GET", API)).code === 200);
  const uid = await makeDevice(cluster, ids);
  const pin = newPin();
  await cluster.api.call("POST", `/api/v1/namespaces/${NAMESPACE}/secrets`, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: SECRET, namespace: NAMESPACE, annotations: { kept: "yes" } },
    data: { pin: Buffer.from(pin).toString("base64"), other: Buffer.from("kept").toString("base64") },
  });
  const members: Member[] = [];
  for (const id of ids) {
    const at = join(folder, id);
    mkdirSync(at);
    const token = await makeToken(at);
    token.close();
    await setPin(token, pin);
    const module = makeTestModule(at, token.module);
    const agent = agentName({ metadata: { name: "pico", uid } }, id);
    members.push(await startMember(t, cluster, { folder: at, token, module, agent }));
  }
  const annotation = async (): Promise<string | undefined> =>
    JSON.stringify(await cluster.api.read(`/api/v1/namespaces/${NAMESPACE}/secrets/${SECRET}`)).match(
      /"hsm.j5t.io\/pin-change-under-way":"([^"]+)"/,
    )?.[1];
  return {
    cluster,
    members,
    underWay: annotation,
    pins: () => secretData(cluster.api, NAMESPACE, SECRET),
    rotate: ({ next, killAt = "", more = [] } = {}) => {
      const file = join(folder, "next");
      if (next !== undefined) writeFileSync(file, `${next}\n`);
      const count = join(folder, "count");
      writeFileSync(count, "0");
      return cluster.run(
        [
          "rotate-pin",
          "--hsm-device",
          "pico",
          ...(next === undefined ? [] : ["--new-pin-file", file]),
          ...more,
        ],
        { env: { STUB_KILL_AT: killAt, STUB_KILL_COUNT: count } },
      );
    },
  };
};

const setPin = async (token: TestToken, pin: string): Promise<void> => {
  const env = { ...process.env, ...token.env, PIN: token.pin, NEW_PIN: pin };
  const args = ["--module", token.module, "--token-label", token.label, "--login", "--pin", "env:PIN"];
  await run("pkcs11-tool", [...args, "--change-pin", "--new-pin", "env:NEW_PIN"], { env });
};
