// SPDX-License-Identifier: Apache-2.0
// Starts real Metacontroller on a real API server, as a control plane of the local run.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { parse } from "yaml";
import type { ApplyStrategy, ControlPlane, OpenControlPlane } from "../local/control-plane.ts";
import { eventually } from "../local/eventually.ts";
import { freePort } from "../local/free-port.ts";
import { type Kubectl, kubectlWith } from "../local/kubectl.ts";
import type { Engine } from "./engine-programs.ts";
import { limitedKubeconfig, removeRights } from "./metacontroller-rights.ts";
import { keepPodsReady } from "./ready-pods.ts";
import { startRealApiServer } from "./real-api-server.ts";
import { answerOf, startServerProgram } from "./server-program.ts";

type Close = () => Promise<void>;

/** The API over plain HTTP, by `kubectl proxy`. */
const startProxy = async (kubeconfig: string): Promise<{ url: string; close: Close }> => {
  const child = spawn("kubectl", ["proxy", "--port=0", "--address=127.0.0.1"], {
    env: { ...process.env, KUBECONFIG: kubeconfig },
    // What it says of requests that fail is said by who asked.
    stdio: ["ignore", "pipe", "ignore"],
  });
  const kill = () => child.kill();
  process.once("exit", kill);
  for await (const line of createInterface({ input: child.stdout })) {
    const address = /127\.0\.0\.1:\d+/.exec(line)?.[0];
    if (address === undefined) continue;
    const close = async () => {
      process.off("exit", kill);
      kill();
    };
    return { url: `http://${address}`, close };
  }
  throw new Error("kubectl proxy ended without saying where it listens");
};

const Arguments = Type.Array(Type.Object({ path: Type.String(), value: Type.Unknown() }));
const Values = Type.Array(Type.String());

/** Metacontroller's arguments as the manifests have them. */
const argumentsOf = (applyStrategy: ApplyStrategy): string[] => {
  const file = new URL("../../manifests/metacontroller/args.yaml", import.meta.url);
  const patch: unknown = parse(readFileSync(file, "utf8"));
  const value = Value.Check(Arguments, patch)
    ? patch.find(({ path }) => path.endsWith("/args"))?.value
    : undefined;
  if (!Value.Check(Values, value)) throw new Error("manifests/metacontroller/args.yaml has no arguments");
  return value.map((argument) =>
    argument.startsWith("--apply-strategy=") ? `--apply-strategy=${applyStrategy}` : argument,
  );
};

/** How many items its queues hold, and how many seconds it has worked on one. */
const restOf = (metrics: string): number =>
  [...metrics.matchAll(/^workqueue_(?:depth|unfinished_work_seconds)\{.*\} (\S+)$/gm)].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );

type Running = { idle(): Promise<void>; close: Close };

const startMetacontroller = async (
  { metacontroller }: Engine,
  options: { kubeconfig: string; applyStrategy: ApplyStrategy; log: (line: string) => void },
): Promise<Running> => {
  const [metrics, health] = [await freePort(), await freePort()];
  const program = await startServerProgram({
    command: metacontroller,
    args: [
      ...argumentsOf(options.applyStrategy),
      `--metrics-address=127.0.0.1:${metrics}`,
      `--health-probe-bind-address=127.0.0.1:${health}`,
    ],
    env: { KUBECONFIG: options.kubeconfig },
    log: options.log,
    isReady: async () => (await answerOf(`http://127.0.0.1:${health}/readyz`)) !== undefined,
  });
  const isIdle = async () => restOf((await answerOf(`http://127.0.0.1:${metrics}/metrics`)) ?? "") === 0;
  return { idle: () => eventually("Metacontroller rests", isIdle).then(() => {}), close: program.stop };
};

/** What an earlier run or an administrator has there is not ours to change. */
const refuseInstalled = async (kubectl: Kubectl): Promise<void> => {
  const namespaces = await kubectl([
    "get",
    "namespaces",
    "keyswitch",
    "demo",
    "--ignore-not-found",
    "-o",
    "name",
  ]);
  if (namespaces.trim() !== "") {
    throw new Error(
      `the cluster has ${namespaces.trim().replaceAll("\n", ", ")} already: use one without Keyswitch`,
    );
  }
};

/** Parents that are left: Metacontroller, which has put a finalizer into each, is not there any more to take it out. */
const dropFinalizers = async (kubectl: Kubectl): Promise<void> => {
  const line = '{range .items[*]}{.kind} {.metadata.namespace} {.metadata.name}{"\\n"}{end}';
  const { stdout } = await kubectl.try(["get", "hsmsecrets,toggles", "-A", "-o", `jsonpath=${line}`]);
  const patch = JSON.stringify({ metadata: { finalizers: null } });
  for (const parent of stdout.trim().split("\n")) {
    const [kind, namespace, name] = parent.split(" ");
    if (kind && namespace && name) {
      await kubectl.try(["patch", kind, name, "-n", namespace, "--type=merge", "-p", patch]);
    }
  }
};

/** Takes away what the run has made in a cluster that goes on without it. */
const clean = async (kubectl: Kubectl, definitions: string): Promise<void> => {
  const gone = ["--ignore-not-found", "--timeout=60s"];
  await dropFinalizers(kubectl);
  await kubectl.try(["delete", "hsmsecrets,toggles", "--all", "-A", "--cascade=foreground", ...gone]);
  await kubectl.try(["delete", "-k", join(import.meta.dirname, "../../manifests"), ...gone]);
  await kubectl.try(["delete", "namespace", "demo", "keyswitch", ...gone]);
  await kubectl.try(["delete", "-f", definitions, ...gone]);
  await removeRights(kubectl);
};

const refuseRestart = async (): Promise<void> => {
  throw new Error("the API server of a cluster that is there is not ours to restart");
};

/** A control plane of `engine`, made for one run or, in a cluster that is there, removed after it. */
export const openRealControlPlane =
  (engine: Engine): OpenControlPlane =>
  async ({ folder, applyStrategy, log }): Promise<ControlPlane> => {
    const closers: Close[] = [];
    const close = async () => {
      for (const closer of closers.splice(0).reverse()) await closer();
    };
    try {
      const made = "etcd" in engine.api;
      const server =
        "etcd" in engine.api
          ? await startRealApiServer(engine.api, { folder: join(folder, "api-server"), log })
          : { ...engine.api, restart: refuseRestart, close: async () => {} };
      closers.push(server.close);
      const { kubeconfig } = server;
      const kubectl = kubectlWith(kubeconfig);
      if (!made) {
        await refuseInstalled(kubectl);
        closers.push(() => clean(kubectl, engine.definitions));
      }
      await kubectl(["apply", "--server-side", "-f", engine.definitions]);
      await kubectl(["wait", "--for=condition=Established", "--timeout=60s", "-f", engine.definitions]);
      const proxy = await startProxy(kubeconfig);
      closers.push(proxy.close);
      const nodes = await kubectl(["get", "nodes", "-o", "name"]);
      if (nodes.trim() === "") closers.push(keepPodsReady(proxy.url));
      let running: Running | undefined;
      let strategy = applyStrategy;
      const start = async () => {
        const limited = await limitedKubeconfig(kubectl, folder);
        running = await startMetacontroller(engine, { kubeconfig: limited, applyStrategy: strategy, log });
      };
      closers.push(async () => running?.close());
      return {
        kubeconfig,
        url: proxy.url,
        resolvesServices: false,
        startEngine: start,
        restartEngine: async (other = strategy) => {
          strategy = other;
          await running?.close();
          await start();
        },
        restartApi: () => server.restart(),
        idle: async () => running?.idle(),
        close,
      };
    } catch (error) {
      await close();
      throw error;
    }
  };
