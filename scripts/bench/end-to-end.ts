// SPDX-License-Identifier: Apache-2.0
// Measures syncs through the webhook and an agent whose token has not changed, and the processes' memory under load.
import { type Memory, type ServerProcess, startServerProcess } from "../local/server-process.ts";
import { answeredReads } from "./answered-reads.ts";
import { type BenchToken, pathOf } from "./bench-token.ts";
import { LoadReply, type LoadRequest } from "./load.ts";
import { startMeasuringProcess } from "./measuring-process.ts";
import { median, rounded, type Timing, timingOf } from "./quantile.ts";
import { foundReading, settledSyncs } from "./sync-bodies.ts";
import { CONNECTIONS, SYNC_PATH } from "./webhook-rate.ts";

const ROUNDS = 4;
const SECONDS = 1.5;
const SAMPLE_MS = 50;

export interface EndToEnd {
  readonly perSecond: number;
  readonly timing: Timing;
  /** Percent of the agent's answers to the syncs that were 304. */
  readonly unchangedPercent: number;
  /** The agent's reads a second under a load of its own. */
  readonly agentPerSecond: number;
  /** MiB: the most that was resident under the load, and the most since the process began. */
  readonly memory: Readonly<Record<"webhook" | "agent" | "agent's PKCS#11 child", Memory>>;
  readonly startMs: Readonly<Record<"webhook" | "agent", number>>;
}

const watchMemory = (webhook: ServerProcess, agent: ServerProcess) => {
  const most = { webhook: 0, agent: 0, child: 0 };
  const look = () => {
    const { own, children } = agent.memory();
    most.webhook = Math.max(most.webhook, webhook.memory().own.now);
    most.agent = Math.max(most.agent, own.now);
    most.child = Math.max(most.child, ...children.map(({ now }) => now));
  };
  const timer = setInterval(look, SAMPLE_MS);
  return (): EndToEnd["memory"] => {
    clearInterval(timer);
    const { own, children } = agent.memory();
    return {
      webhook: { now: most.webhook, peak: webhook.memory().own.peak },
      agent: { now: most.agent, peak: own.peak },
      "agent's PKCS#11 child": { now: most.child, peak: Math.max(...children.map(({ peak }) => peak)) },
    };
  };
};

/** Loads a webhook process before the agent of `token`, then the agent itself. */
export const measureEndToEnd = async (
  { agent, secrets }: BenchToken,
  keys: Readonly<Record<string, string>>,
): Promise<EndToEnd> => {
  const { bodies } = settledSyncs(secrets, foundReading(keys));
  const webhook = await startServerProcess("webhook", { AGENTS: `bench=${agent.url}`, LOG_LEVEL: "error" });
  const load = startMeasuringProcess("load.ts", LoadReply);
  const common = { connections: CONNECTIONS, seconds: SECONDS };
  const syncs: LoadRequest = {
    ...common,
    port: webhook.port,
    method: "POST",
    targets: bodies.map((body) => ({ path: SYNC_PATH, body })),
  };
  const reads: LoadRequest = {
    ...common,
    port: agent.port,
    method: "GET",
    targets: bodies.map((_, index) => ({ path: `/v1/secrets/${pathOf(index)}`, body: "" })),
  };
  try {
    const memory = watchMemory(webhook, agent);
    await load.ask(syncs);
    const before = await answeredReads(agent);
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await load.ask(syncs));
    const after = await answeredReads(agent);
    const own = await load.ask(reads);
    if ([...rounds, own].some(({ failed }) => failed > 0)) throw new Error("requests were refused");
    return {
      perSecond: median(rounds.map(({ perSecond }) => perSecond)),
      timing: {
        p50: timingOf(rounds.map(({ timing }) => timing.p50)).p50,
        p95: timingOf(rounds.map(({ timing }) => timing.p95)).p50,
      },
      unchangedPercent: rounded((100 * (after.unchanged - before.unchanged)) / (after.all - before.all)),
      agentPerSecond: own.perSecond,
      memory: memory(),
      startMs: { webhook: webhook.startMs, agent: agent.startMs },
    };
  } finally {
    await Promise.all([webhook.stop(), load.stop()]);
  }
};
