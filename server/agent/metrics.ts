// SPDX-License-Identifier: Apache-2.0
// Defines the agent's own metrics: operations, the queue for the token, its child processes and the token's state.
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { countTimed } from "../http/request-metrics.ts";
import type { TokenView } from "./pkcs11/answers.ts";
import type { TokenEvents } from "./pkcs11/parent/supervisor.ts";

export type AgentMetrics = {
  /** What a PKCS#11 store reports. */
  events: TokenEvents & { queueLength(length: number): void };
  /** One operation of the API, how it ended (`found`, `absent`, … or an error code) and the time in seconds. */
  operation(operation: string, outcome: string, seconds: number): void;
  /** A blank token was set up. */
  provisioned(): void;
};

/** From an answer out of the index to the longest deadline. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Registers the metrics; to be called once for a registry. */
export const createAgentMetrics = (registry: Registry): AgentMetrics => ({
  operation: countTimed(registry, {
    by: "operation",
    total: { name: "keyswitch_agent_operations_total", help: "Operations of the agent API by outcome." },
    seconds: {
      name: "keyswitch_agent_operation_seconds",
      help: "Time from an operation's request to its result, waiting included, in seconds.",
    },
    buckets: BUCKETS,
  }),
  provisioned: countProvisioned([registry]),
  events: watchToken([registry]),
});

const countProvisioned = (registers: Registry[]) => {
  const provisioned = new Counter({
    name: "keyswitch_agent_tokens_provisioned_total",
    help: "Blank tokens that were set up (PKCS11_AUTO_PROVISION).",
    registers,
  });
  return (): void => provisioned.inc();
};

/** How full the token is, and what is wrong on it. */
const watchCapacity = (registers: Registry[]) => {
  const objects = new Gauge({
    name: "keyswitch_agent_objects",
    help: "Data objects on the token when it was last listed or written.",
    registers,
  });
  const objectLimit = new Gauge({
    name: "keyswitch_agent_object_limit",
    help: "Data objects that the token takes, as configured or as it has shown; absent while not known.",
    registers,
    // Without a value there is no sample.
    labelNames: [],
  });
  objectLimit.remove();
  const problems = new Gauge({
    name: "keyswitch_agent_object_problems",
    help: "Data objects on the token by problem: unreadable and damaged-name (kubectl hsm repair), label and public (kubectl hsm list --invalid).",
    labelNames: ["problem"],
    registers,
  });
  return {
    counted: (count: number): void => objects.set(count),
    capacity: (view: TokenView, limit: number | null): void => {
      objects.set(view.objects);
      problems.set({ problem: "unreadable" }, view.unreadableObjects);
      problems.set({ problem: "damaged-name" }, view.damagedNames);
      problems.set({ problem: "label" }, view.invalidLabels);
      problems.set({ problem: "public" }, view.publicObjects);
      if (limit === null) objectLimit.remove();
      else objectLimit.set(limit);
    },
  };
};

const watchToken = (registers: Registry[]): AgentMetrics["events"] => {
  const queue = new Gauge({
    name: "keyswitch_agent_queue_length",
    help: "Calls that wait for the token or run on it.",
    registers,
  });
  const starts = new Counter({
    name: "keyswitch_agent_child_starts_total",
    help: "Starts of the PKCS#11 child process by reason: start, replace or refresh.",
    labelNames: ["reason"],
    registers,
  });
  const up = new Gauge({
    name: "keyswitch_agent_token_up",
    help: "1 while the token can be read, else 0.",
    registers,
  });
  const { counted, capacity } = watchCapacity(registers);
  const refresh = new Histogram({
    name: "keyswitch_agent_refresh_seconds",
    help: "Time that loading the list of the token's objects took, in seconds.",
    buckets: [...BUCKETS, 60, 120],
    registers,
  });
  return {
    childStarted: (reason) => starts.inc({ reason }),
    loaded: (count, took) => {
      counted(count);
      refresh.observe(took);
    },
    capacity,
    health: ({ ready }) => up.set(ready ? 1 : 0),
    queueLength: (length) => queue.set(length),
  };
};
