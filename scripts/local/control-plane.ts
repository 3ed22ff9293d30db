// SPDX-License-Identifier: Apache-2.0
// Defines the Kubernetes API and Metacontroller engine of a local run: scripts/control-plane, or real ones.
import { join } from "node:path";
import { startApiServer } from "../control-plane/api/server.ts";
import { startDeploymentController } from "../control-plane/engine/deployment-controller.ts";
import { type Engine, type SyncRecord, startEngine } from "../control-plane/engine/engine.ts";
import { freePort } from "./free-port.ts";

/** Metacontroller's --apply-strategy. */
export type ApplyStrategy = "server-side-apply" | "dynamic-apply";

export interface ControlPlane {
  readonly kubeconfig: string;
  /** The API over plain HTTP, with an administrator's rights: `http://127.0.0.1:1234`. */
  readonly url: string;
  /** Where the engine finds the webhook's Service: at its name, or only on a port of this machine. */
  readonly resolvesServices: boolean;
  /** Runs the CompositeControllers that are there, whose webhook listens on `webhookPort` of this machine. */
  startEngine(webhookPort: number): Promise<void>;
  /** Ends the engine, and starts it with `applyStrategy`, or as it was. */
  restartEngine(applyStrategy?: ApplyStrategy): Promise<void>;
  /** Ends the API server, every connection to it among them, and starts it at the same address with what it holds. */
  restartApi(): Promise<void>;
  /** Resolves when no sync runs or waits for a worker. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

interface ControlPlaneOptions {
  /** Of its own; it exists, and its owner removes it. */
  readonly folder: string;
  readonly applyStrategy: ApplyStrategy;
  /** Told each line that the API server logs, or the engine. */
  readonly log: (line: string) => void;
  /** Told how each sync ended, by the local engine alone. */
  readonly onSync?: ((record: SyncRecord) => void) | undefined;
}

export type OpenControlPlane = (options: ControlPlaneOptions) => Promise<ControlPlane>;

/** The API server and the engine of scripts/control-plane, in this process. */
export const openLocalControlPlane: OpenControlPlane = async (options) => {
  const { folder, log, onSync } = options;
  const api = await startApiServer({ log, port: await freePort() });
  const closers: (() => Promise<void>)[] = [() => api.close()];
  const kubeconfig = join(folder, "kubeconfig");
  await api.kubeconfig(kubeconfig);
  const write = (fields: Record<string, unknown>, message: string) =>
    log(JSON.stringify({ role: "engine", ...fields, msg: message }));
  const start = (applyStrategy: ApplyStrategy, port: number) =>
    startEngine({
      apiUrl: api.url,
      applyStrategy,
      resolveService: (host) =>
        host === "keyswitch-webhook.keyswitch.svc" ? { host: "127.0.0.1", port } : undefined,
      ...(onSync && { onSync }),
      log: { info: write, warn: write, error: write },
    });
  let running: { engine: Engine; port: number } | undefined;
  let { applyStrategy } = options;
  closers.push(async () => running?.engine.close());
  return {
    kubeconfig,
    url: api.url,
    resolvesServices: true,
    startEngine: async (port) => {
      running = { engine: await start(applyStrategy, port), port };
      // There are no nodes here: Deployments become ready because it says so.
      const deployments = startDeploymentController({ apiUrl: api.url });
      closers.push(() => deployments.close());
    },
    restartEngine: async (other = applyStrategy) => {
      if (running === undefined) throw new Error("the engine does not run");
      const { engine, port } = running;
      await engine.close();
      applyStrategy = other;
      running = { engine: await start(applyStrategy, port), port };
    },
    restartApi: () => api.restart(),
    idle: async () => running?.engine.idle(),
    close: async () => {
      for (const closer of closers.splice(0).reverse()) await closer();
    },
  };
};
