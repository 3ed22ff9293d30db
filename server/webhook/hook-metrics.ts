// SPDX-License-Identifier: Apache-2.0
// Defines the webhook's own metrics: hook calls, readings of agents, outcomes of syncs.
import { Counter, type Registry } from "prom-client";
import { countTimed, errorCounter, SECONDS_BUCKETS } from "../http/request-metrics.ts";

export type HookMetrics = {
  /** One hook call that was answered. `outcome` is a reason from a fixed list. */
  hook(hook: string, outcome: string, elapsedMs: number): void;
  /** One sync that was answered. */
  synced(outcome: string): void;
  /** One exchange with an agent; `outcome` is a reading's outcome or an error code. */
  agent(agent: string, outcome: string, elapsedMs: number): void;
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
  const errorCodes = errorCounter(registry);
  return {
    hook: (hook, outcome, elapsedMs) => hooks(hook, outcome, elapsedMs / 1000),
    synced: (outcome) => synced.inc({ outcome }),
    agent: (agent, outcome, elapsedMs) => exchanges(agent, outcome, elapsedMs / 1000),
    unavailable: (code) => errorCodes.inc({ code }),
    tokenChange: (operation, outcome) => changes.inc({ operation, outcome }),
  };
};
