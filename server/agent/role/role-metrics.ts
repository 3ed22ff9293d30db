// SPDX-License-Identifier: Apache-2.0
// Defines the metrics of an agent's role in its set: which it has, for how long, and what it has written.
import { Gauge, type Registry } from "prom-client";
import type { AgentRole } from "./agent-role.ts";

const ROLES = ["primary", "mirror", "none"] as const;

/** Registers the metrics, which ask `role` each time they are collected. */
export const watchRole = (registry: Registry, role: AgentRole): void => {
  const registers = [registry];
  new Gauge({
    name: "keyswitch_agent_role",
    help: "1 for the role that the agent has in its set by a lease that runs (primary, mirror), or for none.",
    labelNames: ["role"],
    registers,
    collect() {
      const now = role.lease.told()?.role ?? "none";
      for (const one of ROLES) this.set({ role: one }, one === now ? 1 : 0);
    },
  });
  new Gauge({
    name: "keyswitch_agent_lease_remaining_seconds",
    help: "Seconds until the lease of the agent's role ends; 0 without one.",
    registers,
    collect() {
      this.set(role.lease.remainingMs() / 1000);
    },
  });
  new Gauge({
    name: "keyswitch_agent_position",
    help: "Changes that this process has made to the token as primary.",
    registers,
    collect() {
      this.set(role.count.position);
    },
  });
};
