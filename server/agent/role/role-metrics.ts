// SPDX-License-Identifier: Apache-2.0
// Defines the metrics of an agent's role in its set: which it has, for how long, and what it has written.
import { Gauge, type Registry } from "prom-client";
import type { Puller } from "../mirror/puller.ts";
import type { AgentSet } from "./open-set.ts";

const ROLES = ["primary", "mirror", "none"] as const;

/** Registers the metrics, which ask for the state each time they are collected. */
export const watchRole = (registry: Registry, { role, puller }: Pick<AgentSet, "role" | "puller">): void => {
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
  watchMirror(registers, puller);
};

const watchMirror = (registers: Registry[], puller: Pick<Puller, "told">): void => {
  new Gauge({
    name: "keyswitch_agent_mirror_diverged",
    help: "Secrets that the token of a mirror holds, or has deleted, in a way that its primary does not know of.",
    registers,
    collect() {
      this.set(puller.told()?.diverged ?? 0);
    },
  });
  new Gauge({
    name: "keyswitch_agent_mirror_failed",
    help: "Secrets that a mirror could not take over at its last pull.",
    registers,
    collect() {
      this.set(puller.told()?.failed?.paths ?? 0);
    },
  });
  new Gauge({
    name: "keyswitch_agent_mirror_pull_age_seconds",
    help: "Seconds since the last pull of a mirror that was whole; absent before one.",
    registers,
    labelNames: [],
    collect() {
      const age = puller.told()?.ageSeconds;
      if (age === undefined) this.remove();
      else this.set(age);
    },
  });
};
