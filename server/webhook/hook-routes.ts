// SPDX-License-Identifier: Apache-2.0
// Reports hook calls, and what the webhook asks of agents, by log lines, metrics and events.
import type { TSchema } from "@sinclair/typebox";
import type { FastifyRequest } from "fastify";
import { Counter, type Registry } from "prom-client";
import type { AnyObject } from "../../hooks/kubernetes.ts";
import { CustomizeResponse, type HookEvent } from "../../hooks/metacontroller.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import { countTimed, errorCounter, SECONDS_BUCKETS } from "../http/request-metrics.ts";
import type { EventParent, EventSink } from "./events.ts";

export type HookMetrics = {
  /** One hook call that was answered. `outcome` is a reason from a fixed list. */
  hook(hook: string, outcome: string, elapsedMs: number): void;
  /** One sync that was answered. */
  synced(outcome: string): void;
  /** One exchange with an agent; `outcome` is a reading's outcome or an error code. */
  agent(agent: string, outcome: string, elapsedMs: number): void;
  /** One request to an agent of a set for its role; `role` is that, `none` without a lease, or what came in its place. */
  role(set: string, role: string): void;
  /** A reading that a member of a set gave that is not its primary. */
  degraded(set: string): void;
  /** A reading that nobody could give. */
  unavailable(code: string): void;
  /** One change of a token that was asked for; `outcome` is that of the change or an error code. */
  tokenChange(operation: "write" | "remove", outcome: string): void;
};

export const createHookMetrics = (registry: Registry): HookMetrics => {
  const registers = [registry];
  const hooks = countTimed(registry, {
    by: "hook",
    total: { name: "keyswitch_hook_requests_total", help: "Hook calls by hook and outcome." },
    seconds: { name: "keyswitch_hook_seconds", help: "Time to answer a hook call, in seconds." },
    buckets: SECONDS_BUCKETS,
  });
  const exchanges = countTimed(registry, {
    by: "agent",
    total: {
      name: "keyswitch_agent_client_requests_total",
      help: "Readings asked of an agent, by agent and outcome.",
    },
    seconds: {
      name: "keyswitch_agent_client_seconds",
      help: "Time an agent took for a reading, in seconds.",
    },
    buckets: SECONDS_BUCKETS,
  });
  const synced = new Counter({
    name: "keyswitch_secrets_synced_total",
    help: "Syncs of HSMSecrets by the reason of their Ready condition.",
    labelNames: ["outcome"],
    registers,
  });
  const changes = new Counter({
    name: "keyswitch_token_changes_total",
    help: "Write-backs of Secrets and removals asked of agents, by operation and outcome.",
    labelNames: ["operation", "outcome"],
    registers,
  });
  const roles = new Counter({
    name: "keyswitch_set_role_requests_total",
    help: "Requests to agents of a set of HSMs for their roles, by set and role.",
    labelNames: ["set", "role"],
    registers,
  });
  const degraded = new Counter({
    name: "keyswitch_set_degraded_readings_total",
    help: "Readings that another member of a set than its primary gave.",
    labelNames: ["set"],
    registers,
  });
  const errorCodes = errorCounter(registry);
  return {
    hook: (hook, outcome, elapsedMs) => hooks(hook, outcome, elapsedMs / 1000),
    synced: (outcome) => synced.inc({ outcome }),
    agent: (agent, outcome, elapsedMs) => exchanges(agent, outcome, elapsedMs / 1000),
    role: (set, role) => roles.inc({ set, role }),
    degraded: (set) => degraded.inc({ set }),
    unavailable: (code) => errorCodes.inc({ code }),
    tokenChange: (operation, outcome) => changes.inc({ operation, outcome }),
  };
};

export type HookReportOptions = {
  /** As in the route: `hsmsecret` for /hooks/hsmsecret/…. */
  resource: string;
  events: Pick<EventSink, "post">;
  metrics: Pick<HookMetrics, "hook">;
  /** Outcomes that say nothing worth a line at info when no event came with them. */
  quiet: readonly string[];
};

/** What one hook call came to. `startedAt` is monotonic milliseconds. */
type HookCall = {
  hook: "customize" | "sync" | "finalize";
  outcome: string;
  startedAt: number;
  events: readonly HookEvent[];
  agent?: string | undefined;
  code?: string | undefined;
};

export type HookReport = (request: FastifyRequest, parent: EventParent, call: HookCall) => void;

/** Tells of each call of one resource's hooks. */
export const createHookReport = (options: HookReportOptions): HookReport => {
  const { resource, events, metrics } = options;
  const quiet = new Set([...options.quiet, "Customized"]);
  return (request, parent, { hook, outcome, startedAt, events: told, agent, code }) => {
    const elapsedMs = performance.now() - startedAt;
    const name = `${resource}/${hook}`;
    metrics.hook(name, outcome, elapsedMs);
    for (const event of told) events.post(parent, event);
    const level = told.length === 0 && quiet.has(outcome) ? "debug" : "info";
    request.log[level](
      {
        hook: name,
        object: `${parent.metadata.namespace}/${parent.metadata.name}`,
        outcome,
        agent,
        code,
        durationMs: Math.round(elapsedMs * 10) / 10,
      },
      "hook",
    );
  };
};

/** The customize hook of one resource. */
type CustomizeRoute<P extends EventParent> = {
  resource: string;
  body: TSchema & { static: { parent: P; controller: AnyObject } };
  customize: (parent: P, controller: AnyObject) => CustomizeResponse;
};

/** Adds POST /hooks/<resource>/customize. */
export const addCustomizeRoute = <P extends EventParent>(
  app: KeyswitchServer,
  { resource, body, customize }: CustomizeRoute<P>,
  done: HookReport,
): void => {
  app.post<{ Body: { parent: P; controller: AnyObject } }>(
    `/hooks/${resource}/customize`,
    { config: { scope: "hook" }, schema: { body, response: { 200: CustomizeResponse } } },
    async (request) => {
      const startedAt = performance.now();
      const { parent, controller } = request.body;
      const response = customize(parent, controller);
      done(request, parent, { hook: "customize", outcome: "Customized", startedAt, events: [] });
      return response;
    },
  );
};
