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
import { gatedStore } from "./role/gated-store.ts";
import type { AgentSet } from "./role/open-set.ts";
import { watchRole } from "./role/role-metrics.ts";
import { addDeviceRoutes } from "./routes/device-routes.ts";
import { addExportRoute } from "./routes/export-route.ts";
import { addImportRoute } from "./routes/import-route.ts";
import { addMirrorDecisions } from "./routes/mirror-decisions.ts";
import { addMirrorRoutes } from "./routes/mirror-routes.ts";
import { addPinRoute } from "./routes/pin-route.ts";
import { addRepackRoute } from "./routes/repack-route.ts";
import { addRepairRoute } from "./routes/repair-route.ts";
import { addRoleRoutes } from "./routes/role-route.ts";
import { addSecretRoutes } from "./routes/secret-routes.ts";
import { addWriteRoutes } from "./routes/secret-write-routes.ts";
import { addWriteGate } from "./routes/write-gate.ts";
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
  /** Of an agent that belongs to a set of HSMs: its role there, and how it calls the others. */
  set?: AgentSet;
  /** RESERVED_OBJECTS: data objects that writes with a quota leave free. */
  reservedObjects?: number;
  /** Made from the registry unless given; a registry takes them once. */
  metrics?: AgentMetrics;
};

/** The agent. It is ready while its token can be read, and alive in any case. */
export const buildAgentApp = (options: AgentAppOptions): KeyswitchServer => {
  const { logger, registry, auth, device, node, tls, set, sysfsRoot = "/sys" } = options;
  const store = createClientStore(set === undefined ? options.store : gatedStore(options.store, set.role));
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
  addWriteGate(app, { metrics, ...set });
  if (set !== undefined) {
    addRoleRoutes(app, { role: set.role, metrics });
    addMirrorRoutes(app, { set, store, metrics, device });
    addMirrorDecisions(app, { set, store, metrics, device });
    watchRole(registry, set);
    app.addHook("onClose", () => set.close());
  }
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

/** The configured files with their scopes: who may write may read, who gives roles may not. */
export const bearerTokenFiles = ({
  readTokenFile,
  writeTokenFile,
  roleTokenFile,
}: Pick<AgentConfig, "readTokenFile" | "writeTokenFile" | "roleTokenFile">): AuthOptions["tokenFiles"] => [
  ...tokenFile("READ_TOKEN_FILE", readTokenFile, "read", "role-view"),
  ...tokenFile("WRITE_TOKEN_FILE", writeTokenFile, "read", "role-view", "write"),
  ...tokenFile("ROLE_TOKEN_FILE", roleTokenFile, "role", "role-view"),
];
