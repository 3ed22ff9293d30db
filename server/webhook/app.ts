// SPDX-License-Identifier: Apache-2.0
// Builds the webhook's HTTP server without listening.
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { KeyedChecksums } from "../../hooks/checksum.ts";
import type { TlsFiles } from "../config/listener.ts";
import type { AuthOptions } from "../http/auth.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import type { ReadyCheck } from "../http/probes.ts";
import { buildServer, type Limits } from "../http/server.ts";
import { compileSerializer } from "../http/validation.ts";
import type { AgentClient } from "./agent-client.ts";
import type { AgentWriter } from "./agent-writer.ts";
import { type DiscoveryClient, noDiscovery } from "./discovery-client.ts";
import { type EventSink, noEvents } from "./events.ts";
import { createHookMetrics, type HookMetrics } from "./hook-routes.ts";
import { addHsmDeviceRoutes } from "./hsmdevice-routes.ts";
import { addHsmSecretRoutes } from "./hsmsecret-routes.ts";
import { noParentCheck, type ParentCheck } from "./parent-check.ts";
import type { PathPolicySource } from "./path-policy.ts";
import { noRoles, type RoleClient } from "./role-client.ts";
import { noStatusCheck, type StatusCheck } from "./status-check.ts";
import { addToggleRoutes } from "./toggle-routes.ts";

export type WebhookAppOptions = {
  logger: Logger;
  registry: Registry;
  auth: AuthOptions;
  agents: Pick<AgentClient, "read" | "states">;
  writer: Pick<AgentWriter, "write" | "remove">;
  /** Outside a cluster nobody is asked. */
  parents?: Pick<ParentCheck, "refusal">;
  /** Without it no node reports its devices. */
  discovery?: Pick<DiscoveryClient, "ask">;
  /** Without it no agent has a role. */
  roles?: Pick<RoleClient, "ask" | "order">;
  /** Without it the status in a hook's body is believed. */
  statuses?: Pick<StatusCheck, "age">;
  policy: PathPolicySource;
  /** How checksums are shown in statuses and annotations. */
  checksums: () => KeyedChecksums;
  /** Whether a Toggle may make pods of its template; false, if not given. */
  toggleTemplates?: boolean;
  /** See ToggleRouteOptions.pods; by default true. */
  togglePods?: boolean;
  /** Seconds without progress after which a start is Degraded; 600, if not given. */
  startTimeoutSeconds?: number;
  events?: Pick<EventSink, "post">;
  metrics?: HookMetrics;
  tls?: TlsFiles;
  limits?: Partial<Limits>;
  /** Wall clock. */
  clock?: () => Date;
  /** Milliseconds, monotonic. */
  now?: () => number;
};

/**
 * The webhook. It is ready when it listens: an agent that is down is reported and no reason to be taken out of
 * service, because the hooks then still answer and tell the truth.
 */
export const buildWebhookApp = (options: WebhookAppOptions): KeyswitchServer => {
  const { logger, registry, auth, agents, writer, policy, checksums, tls, limits } = options;
  const ready = (): ReadyCheck[] => [policyCheck(policy), ...agentChecks(agents)];
  const app = buildServer({
    logger,
    registry,
    auth,
    ready,
    serializer: compileSerializer,
    ...(tls !== undefined && { tls }),
    ...(limits !== undefined && { limits }),
  });
  const events = options.events ?? noEvents;
  const metrics = options.metrics ?? createHookMetrics(registry);
  const clock = options.clock ?? (() => new Date());
  const { now } = options;
  addHsmSecretRoutes(app, {
    agents,
    writer,
    parents: options.parents ?? noParentCheck,
    policy: () => policy.get(),
    checksums,
    events,
    metrics,
    clock,
    ...(now !== undefined && { now }),
  });
  const { discovery = noDiscovery, roles = noRoles, statuses = noStatusCheck } = options;
  addHsmDeviceRoutes(app, { discovery, roles, statuses, events, metrics, clock });
  const { toggleTemplates: templates = false, togglePods: pods = true, startTimeoutSeconds = 600 } = options;
  addToggleRoutes(app, { events, metrics, templates, pods, startTimeoutSeconds, clock });
  return app;
};

const policyCheck = (policy: PathPolicySource): ReadyCheck => {
  policy.get();
  const message = policy.fault();
  return {
    name: "path policy",
    ok: message === undefined,
    required: false,
    ...(message !== undefined && { message }),
  };
};

const agentChecks = (agents: Pick<AgentClient, "states">): ReadyCheck[] =>
  agents.states().map(({ name, ok, message }) => ({ name: `agent ${name}`, ok, required: false, message }));
