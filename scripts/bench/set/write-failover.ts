// SPDX-License-Identifier: Apache-2.0
// Measures how long writes stand still when the primary of an HSMDevice goes, and what a sync of the HSMDevice takes.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathOf } from "../bench-token.ts";
import { rounded, type Timing, timingOf } from "../quantile.ts";
import { madeUp } from "./bench-member.ts";
import { SetCluster } from "./set-cluster.ts";
import type { NodeName } from "./set-objects.ts";

const SECRETS = 200;
const SYNCS = 20;
/** How often a write is tried: what is measured is no finer than this and one try. */
const PACE_MS = 100;
const TRY_SECONDS = 2;
const FILL_SECONDS = 60;
const LIMIT_MS = 120_000;

export interface WriteFailover {
  /** Seconds from the end of the primary's process, which its Deployment tells, to the first write that the other one has taken. */
  readonly killedSeconds: number;
  /** The same where the primary stops answering, right after a sync, and nothing tells. */
  readonly silentSeconds: number;
  readonly secrets: number;
  /** Milliseconds of a sync, what Metacontroller does beside the hook among them. */
  readonly sync: Timing;
}

const write = (cluster: SetCluster, node: NodeName, path: string): Promise<number> => {
  const body = { data: madeUp() };
  return cluster.ask(node, { method: "PUT", path: `/v1/secrets/${path}`, as: "write", body }, TRY_SECONDS);
};

/** Seconds until the agent of `heir` takes a write, from now on. */
const untilTaken = async (cluster: SetCluster, heir: NodeName): Promise<number> => {
  const begin = performance.now();
  for (;;) {
    const status = await write(cluster, heir, "secrets/bench/after");
    const ms = performance.now() - begin;
    if (status === 200 || status === 201) return rounded(ms / 1000);
    if (ms > LIMIT_MS) throw new Error(`no write was taken within ${LIMIT_MS / 1000} s: ${status}`);
    await sleep(PACE_MS);
  }
};

/** Resolves when the next sync has ended. */
const nextSync = async (cluster: SetCluster): Promise<void> => {
  const { length } = cluster.syncMs;
  while (cluster.syncMs.length === length) await sleep(10);
};

const measureSyncs = async (cluster: SetCluster): Promise<Timing> => {
  const begin = cluster.syncMs.length;
  for (let sync = 0; sync < SYNCS; sync += 1) {
    const ended = nextSync(cluster);
    await cluster.touch(String(sync));
    await ended;
  }
  return timingOf(cluster.syncMs.slice(begin));
};

const fill = async (cluster: SetCluster): Promise<void> => {
  const secrets = Array.from({ length: SECRETS }, (_, index) => ({ path: pathOf(index), data: madeUp() }));
  const request = { method: "POST", path: "/v1/import", as: "write", body: { secrets } } as const;
  const status = await cluster.ask("a", request, FILL_SECONDS);
  if (status !== 200) throw new Error(`the import was answered ${status}`);
};

export const measureWriteFailover = async (folder: string): Promise<WriteFailover> => {
  const cluster = await SetCluster.start(join(folder, "write-failover"), {
    policy: "ReadOnly",
    primaryNode: "a",
  });
  try {
    await cluster.settled("A");
    await fill(cluster);
    await cluster.settled("A");
    const sync = await measureSyncs(cluster);
    await cluster.settled("A");
    const killed = cluster.agents.a.kill();
    const killedSeconds = await untilTaken(cluster, "b");
    await killed;
    cluster.agents.a.revive();
    await cluster.settled("B");
    await nextSync(cluster);
    cluster.agents.b.stop();
    const silentSeconds = await untilTaken(cluster, "a");
    return { killedSeconds, silentSeconds, secrets: SECRETS, sync };
  } finally {
    await cluster.close();
  }
};
