// SPDX-License-Identifier: Apache-2.0
// Sets up a cluster for kubectl-hsm: the local control plane with the credentials of scripts/credentials.sh, the pod of an
// agent that runs here, and the real kubectl, of which port-forward alone is a double.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { StringMap } from "../../../hooks/kubernetes.ts";
import type { Json } from "../../../scripts/control-plane/api/json.ts";
import { type RunningServer, runServer } from "../../../scripts/control-plane/test/api/running-server.ts";
import {
  type AgentOptions,
  madeUp,
  type Ran,
  type RunningAgent,
  type RunOptions,
  run,
  startAgent,
  temporaryFolder,
} from "../fixture.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const stub = fileURLToPath(new URL("port-forward-stub.mjs", import.meta.url));

type Teardown = { teardown: (end: () => unknown) => void };

export type Cluster = {
  api: RunningServer;
  agent: RunningAgent;
  /** The PIN in the Secret at the start. */
  pin: string;
  env: Record<string, string>;
  /** Runs kubectl-hsm with the cluster's kubeconfig, whose current context is of the namespace shop. */
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The arguments of every kubectl that was started. */
  kubectlCalls(): string;
  /** Whether the last port-forward still runs. */
  forwarding(): boolean;
  /** A pod with the agent's labels, which forwards to `agent`; `labels` in place of those that the DaemonSet's have. */
  addPod(
    name: string,
    device: string,
    agent: { url: string },
    labels?: Record<string, string>,
  ): Promise<void>;
  /** What an agent listens with. */
  listener: { tls: { certFile: string; keyFile: string }; tokens: { read: string; write: string } };
  /** A pod with discovery's labels on a node, which forwards to `url`. */
  addDiscoveryPod(name: string, node: string, url: string, phase?: string): Promise<void>;
  /** Runs scripts/credentials.sh against it. */
  credentials(...args: string[]): Promise<void>;
};

type PodParts = { metadata: { name: string; labels: Record<string, string> }; spec: Json };

const Secret = Type.Object({ data: StringMap });

/** A Secret's values as text. */
export const secretData = async (
  api: RunningServer,
  namespace: string,
  name: string,
): Promise<Record<string, string>> => {
  const object = await api.read(`/api/v1/namespaces/${namespace}/secrets/${name}`);
  if (!Value.Check(Secret, object)) throw new Error(`${name} has no data`);
  return Object.fromEntries(
    Object.entries(object.data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]),
  );
};

export const startCluster = async (t: Teardown, options: AgentOptions = {}): Promise<Cluster> => {
  const api = await runServer(t);
  const folder = temporaryFolder(t);
  const kubeconfig = join(api.directory, "kubeconfig");
  const done = async (args: string) => {
    const { code, stderr } = await api.kubectl(args);
    if (code !== 0) throw new Error(`kubectl ${args}: ${stderr}`);
  };
  await done(`apply -k ${join(root, "manifests/namespace")}`);
  await done(`apply -k ${join(root, "manifests/crds")}`);
  await done("create namespace shop");
  await done("config set-context --current --namespace=shop");
  const pin = madeUp();
  writeFileSync(join(folder, "pin"), pin);
  const credentials = async (...args: string[]) => {
    const made = spawn("bash", [join(root, "scripts/credentials.sh"), "--apply", ...args], {
      env: { ...process.env, KUBECONFIG: kubeconfig },
      stdio: "ignore",
    });
    const [code]: unknown[] = await once(made, "close");
    if (code !== 0) throw new Error("scripts/credentials.sh failed");
  };
  await credentials("--pin-file", join(folder, "pin"));

  const tls = await secretData(api, "keyswitch", "keyswitch-agent-tls");
  const { read = "", write = "" } = await secretData(api, "keyswitch", "keyswitch-agent-token");
  const files = { certFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key") };
  writeFileSync(files.certFile, tls["tls.crt"] ?? "");
  writeFileSync(files.keyFile, tls["tls.key"] ?? "");
  const agent = await startAgent(t, { ...options, tls: files, tokens: { read, write } });

  const bin = join(folder, "bin");
  mkdirSync(bin);
  const calls = join(folder, "calls");
  const pidFile = join(folder, "pid");
  const kubectl = spawnSync("sh", ["-c", "command -v kubectl"], { encoding: "utf8" }).stdout.trim();
  writeFileSync(
    join(bin, "kubectl"),
    `#!/bin/sh
printf '%s\\n' "$*" >>"${calls}"
if [ "$1" = replace ] && [ -n "$STUB_KILL_AT" ]; then
  # Ends the process that has started this, before or after the n-th Secret that it writes.
  n=$(($(cat "$STUB_KILL_COUNT") + 1)); echo $n >"$STUB_KILL_COUNT"
  case "$STUB_KILL_AT" in
    "before $n") kill -9 $PPID; exit 1 ;;
    "after $n") "${kubectl}" "$@" >/dev/null; kill -9 $PPID; exit 1 ;;
  esac
fi
case " $* " in *" port-forward "*) exec "${process.execPath}" "${stub}" "$@" ;; esac
exec "${kubectl}" "$@"
`,
    { mode: 0o755 },
  );
  const targets: Record<string, number> = {};
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    KUBECONFIG: kubeconfig,
    STUB_PID_FILE: pidFile,
  };
  /** A pod that is forwarded to `url`. */
  const addPod = async (url: string, pod: PodParts, phase = "Running") => {
    const { name } = pod.metadata;
    targets[`pod/${name}`] = Number(new URL(url).port);
    const pods = "/api/v1/namespaces/keyswitch/pods";
    const metadata = { ...pod.metadata, namespace: "keyswitch" };
    await api.call("POST", pods, { apiVersion: "v1", kind: "Pod", metadata, spec: pod.spec });
    const ready = phase === "Running" ? "True" : "False";
    const status = { phase, conditions: [{ type: "Ready", status: ready }] };
    const answer = await api.call(
      "PATCH",
      `${pods}/${name}/status`,
      { status },
      "application/merge-patch+json",
    );
    if (answer.code !== 200) throw new Error(JSON.stringify(answer.body));
  };
  const cluster: Cluster = {
    api,
    agent,
    pin,
    env,
    credentials,
    listener: { tls: files, tokens: { read, write } },
    run: (args, { env: more, ...rest } = {}) =>
      run(args, { env: { ...env, STUB_TARGETS: JSON.stringify(targets), ...more }, ...rest }),
    kubectlCalls: () => (existsSync(calls) ? readFileSync(calls, "utf8") : ""),
    forwarding: () => existsSync(`/proc/${readFileSync(pidFile, "utf8")}`),
    addPod: (name, device, of, labels = { "app.kubernetes.io/name": "keyswitch-agent" }) =>
      addPod(of.url, {
        metadata: { name, labels: { ...labels, "hsm.j5t.io/device": device } },
        spec: {
          containers: [
            { name: "agent", image: "keyswitch", ports: [{ name: "https", containerPort: 8444 }] },
          ],
          volumes: [{ name: "pin", secret: { secretName: "keyswitch-pkcs11" } }],
        },
      }),
    addDiscoveryPod: (name, nodeName, url, phase = "Running") =>
      addPod(
        url,
        {
          metadata: { name, labels: { "app.kubernetes.io/name": "keyswitch-discovery" } },
          spec: {
            nodeName,
            containers: [
              { name: "discovery", image: "keyswitch", ports: [{ name: "https", containerPort: 8446 }] },
            ],
          },
        },
        phase,
      ),
  };
  await cluster.addPod("keyswitch-agent-x7k2p", "hsm", agent);
  return cluster;
};
