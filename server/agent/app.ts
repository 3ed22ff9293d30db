// SPDX-License-Identifier: Apache-2.0
// Builds the agent's server from its parts, without listening. docs/agent-api.md describes what it serves.
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { TlsFiles } from "../config/listener.ts";
import { type AuthOptions, checksumKeys, tokenFile } from "../http/auth.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import type { ReadyCheck } from "../http/probes.ts";
import { buildServer } from "../http/server.ts";
import { compileSerializer } from "../http/validation.ts";
import { createClientStore } from "./client-store.ts";
import type { AgentConfig } from "./config.ts";
import { type AgentMetrics, createAgentMetrics } from "./metrics.ts";
import { createQuotaEnforcer } from "./quota.ts";
import { addDeviceRoutes } from "./routes/device-routes.ts";
import { addExportRoute } from "./routes/export-route.ts";
import { addImportRoute } from "./routes/import-route.ts";
import { addPinRoute } from "./routes/pin-route.ts";
import { addRepackRoute } from "./routes/repack-route.ts";
import { addRepairRoute } from "./routes/repair-route.ts";
import { addSecretRoutes } from "./routes/secret-routes.ts";
import { addWriteRoutes } from "./routes/secret-write-routes.ts";
import type { SecretStore } from "./store.ts";

export type AgentAppOptions = {
  store: SecretStore;
  logger: Logger;
  registry: Registry;
  auth: AuthOptions;
  /** DEVICE_NAME: the HSMDevice that this agent serves. */
  device: string;
  /** NODE_NAME: the node that the agent runs on. */
  node: string;
  /** SYSFS_ROOT; `/sys` unless given. */
  sysfsRoot?: string;
  tls?: TlsFiles;
  /** RESERVED_OBJECTS: data objects that writes with a quota leave free. */
  reservedObjects?: number;
  /** Made from the registry unless given; a registry takes them once. */
  metrics?: AgentMetrics;
};

/** The agent. It is ready while its token can be read, and alive in any case. */
export const buildAgentApp = (options: AgentAppOptions): KeyswitchServer => {
  const { logger, registry, auth, device, node, tls, sysfsRoot = "/sys" } = options;
  const store = createClientStore(options.store);
  const metrics = options.metrics ?? createAgentMetrics(registry);
  const ready = (): ReadyCheck[] => {
    const health = store.health();
    return [
      {
        name: "token",
        ok: health.ready,
        required: true,
        ...(!health.ready && { message: `${health.code}: ${health.message}` }),
      },
    ];
  };
  const app = buildServer({
    logger,
    registry,
    auth,
    ready,
    serializer: compileSerializer,
    ...(tls !== undefined && { tls }),
  });
  app.decorate("checksums", checksumKeys({ tokenFiles: auth.tokenFiles.map(({ path }) => path), logger }));
  addSecretRoutes(app, { store, metrics, device });
  const quotas = createQuotaEnforcer(store, options.reservedObjects);
  addWriteRoutes(app, { store, quotas, metrics, device });
  addImportRoute(app, { store, metrics, device });
  addExportRoute(app, { store, metrics, device });
  addRepackRoute(app, { store, metrics, device });
  addRepairRoute(app, { store, metrics, device });
  addPinRoute(app, { store, metrics, device });
  const writable = auth.tokenFiles.some(({ scopes }) => scopes.includes("write"));
  addDeviceRoutes(app, { store, metrics, device, node, sysfsRoot, writable });
  return app;
};

/** The configured files with their scopes: who may write may read. */
export const bearerTokenFiles = ({
  readTokenFile,
  writeTokenFile,
}: Pick<AgentConfig, "readTokenFile" | "writeTokenFile">): AuthOptions["tokenFiles"] => [
  ...tokenFile("READ_TOKEN_FILE", readTokenFile, "read"),
  ...tokenFile("WRITE_TOKEN_FILE", writeTokenFile, "read", "write"),
];
