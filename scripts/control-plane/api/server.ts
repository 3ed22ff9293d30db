// SPDX-License-Identifier: Apache-2.0
// Starts the API server: state, built-in kinds, controllers that belong to the API, and the listener.
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { ApiContext } from "./api-request.ts";
import { startContentCleanup } from "./content-cleanup.ts";
import { startGarbageCollector } from "./garbage-collector.ts";
import { builtInKinds } from "./kinds/built-in-kinds.ts";
import { watchDefinitions } from "./kinds/custom-resource-definitions.ts";
import { createSystemNamespaces } from "./kinds/namespaces.ts";
import { Registry } from "./registry.ts";
import { route } from "./router.ts";
import { Store } from "./store.ts";

export type ApiServerOptions = {
  host?: "127.0.0.1";
  /** 0, the default, takes a free port. */
  port?: number;
  now?: () => Date;
  /** Gets one line for each internal fault. */
  log?: (line: string) => void;
  /** Time between bookmarks of a watch. */
  bookmarkIntervalMs?: number;
  /** Events kept for watches that start in the past; one that starts earlier gets 410. */
  historyLimit?: number;
};

export type ApiServer = {
  url: string;
  /** Writes a kubeconfig for this server. */
  kubeconfig: (path: string) => Promise<void>;
  /** Ends every connection and listens anew at the same address, with the same objects. */
  restart: () => Promise<void>;
  close: () => Promise<void>;
};

/** Starts the server and answers when it listens. It keeps everything in memory and serves loopback alone. */
export const startApiServer = async (options: ApiServerOptions = {}): Promise<ApiServer> => {
  const { host = "127.0.0.1", port = 0, now = () => new Date(), log = () => {} } = options;
  const ctx: ApiContext = { store: new Store(options.historyLimit), registry: new Registry(), now };
  for (const kind of builtInKinds()) ctx.registry.add(kind);
  const stops = [watchDefinitions(ctx), startGarbageCollector(ctx, log), startContentCleanup(ctx)];
  createSystemNamespaces(ctx);
  const routerOptions = { bookmarkIntervalMs: options.bookmarkIntervalMs ?? 60_000, log };
  const server = createServer((request, response) => {
    void route(ctx, request, response, routerOptions);
  });
  server.keepAliveTimeout = 60_000;
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        server.off("error", reject);
        resolve();
      });
    });
  const unlisten = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  await listen(port);
  const address = server.address();
  const taken = typeof address === "object" && address ? address.port : port;
  const url = `http://${host}:${taken}`;
  return {
    url,
    kubeconfig: (path) => writeFile(path, kubeconfigText(url), { mode: 0o600 }),
    restart: async () => {
      await unlisten();
      await listen(taken);
    },
    close: async () => {
      for (const stop of stops) stop();
      await unlisten();
    },
  };
};

const kubeconfigText = (url: string): string => `apiVersion: v1
kind: Config
clusters:
- name: keyswitch
  cluster:
    server: ${url}
contexts:
- name: keyswitch
  context:
    cluster: keyswitch
    user: keyswitch
    namespace: default
current-context: keyswitch
users:
- name: keyswitch
  user: {}
`;
