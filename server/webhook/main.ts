// SPDX-License-Identifier: Apache-2.0
// Runs the webhook: loads configuration and policy, creates the clients of agents and API server, and listens.
import type { Logger } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import { authOf, checksumKeys, tokenFile } from "../http/auth.ts";
import { createAgentClient } from "./agent-client.ts";
import { openAgentSets } from "./agent-set.ts";
import { createAgentWriter } from "./agent-writer.ts";
import { buildWebhookApp } from "./app.ts";
import type { WebhookConfig } from "./config.ts";
import { createDiscoveryClient, noDiscovery } from "./discovery-client.ts";
import { eventSinkOf } from "./events.ts";
import { createHookMetrics } from "./hook-routes.ts";
import { parentCheckOf } from "./parent-check.ts";
import { pathPolicySource } from "./path-policy.ts";
import { createRoleClient, noRoles } from "./role-client.ts";
import { statusCheckOf } from "./status-check.ts";

/** A process that listens. `close` waits for the requests under way. */
export type RunningWebhook = { address: string; close(): Promise<void> };

/** @throws UnusableFile or Node's listen error when the start fails. */
export const runWebhook = async (config: WebhookConfig, logger: Logger): Promise<RunningWebhook> => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metrics = createHookMetrics(registry);
  const { agentTokenFile, agentWriteTokenFile, agentCaFile, tls } = config;
  const sets = openAgentSets(config.agents, {
    ...(agentTokenFile !== undefined && { tokenFile: agentTokenFile }),
    ...(agentCaFile !== undefined && { caFile: agentCaFile }),
    logger,
    onRole: metrics.role,
  });
  const agents = createAgentClient({
    agents: config.agents,
    sets,
    ...(agentTokenFile !== undefined && { tokenFile: agentTokenFile }),
    ...(agentCaFile !== undefined && { caFile: agentCaFile }),
    logger,
    onExchange: metrics.agent,
  });
  const writer = createAgentWriter({
    agents: config.agents,
    sets,
    ...(agentWriteTokenFile !== undefined && { tokenFile: agentWriteTokenFile }),
    ...(agentCaFile !== undefined && { caFile: agentCaFile }),
    logger,
  });
  const events = eventSinkOf(config.inCluster, logger);
  const parents = parentCheckOf(config.inCluster, logger);
  const statuses = statusCheckOf(config.inCluster, logger);
  const discovery =
    config.discovery === undefined ? noDiscovery : createDiscoveryClient({ ...config.discovery, logger });
  const roles = config.roles === undefined ? noRoles : createRoleClient({ ...config.roles, logger });
  const app = buildWebhookApp({
    logger,
    registry,
    metrics,
    auth: authOf(config, tokenFile("HOOK_TOKEN_FILE", config.hookTokenFile, "hook")),
    agents,
    writer,
    parents,
    discovery,
    roles,
    statuses,
    policy: pathPolicySource(config.pathPolicyFile, logger),
    checksums: checksumKeys({
      tokenFiles: agentTokenFile === undefined ? [] : [agentTokenFile],
      logger,
    }),
    toggleTemplates: config.toggleTemplates,
    togglePods: config.togglePods,
    startTimeoutSeconds: config.startTimeoutSeconds,
    events,
    ...(tls !== undefined && { tls }),
  });
  const address = await app.listen({ host: config.listenHost, port: config.listenPort });
  return {
    address,
    async close() {
      await app.close();
      const clients = [agents, writer, events, parents, discovery, roles];
      await Promise.all(clients.map((client) => client.close()));
    },
  };
};
