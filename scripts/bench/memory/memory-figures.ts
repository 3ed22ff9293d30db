// SPDX-License-Identifier: Apache-2.0
// Measures what webhook, agent and PKCS#11 child have resident, at rest beside a bare fastify process and at the pace of the engine.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type ServerProcess, startServerProcess } from "../../local/server-process.ts";
import { startBenchAgent, startBenchToken } from "../bench-token.ts";
import { LoadReply } from "../load.ts";
import { startMeasuringProcess } from "../measuring-process.ts";
import { median, rounded } from "../quantile.ts";
import { foundReading, settledSyncs } from "../sync-bodies.ts";
import { SYNC_PATH } from "../webhook-rate.ts";

/** Metacontroller's pace with 500 HSMSecrets, as measured with a trivial hook. */
export const PACE = { secrets: 500, perSecond: 400, seconds: 20 };
const CONNECTIONS = 10;
const STARTS = 5;
/** V8 has then done what it does when there is nothing to do. */
const REST_MS = 10_000;
const SAMPLE_MS = 50;

type ProcessName = "webhook" | "agent" | "agent's PKCS#11 child";

/** MiB; `paced` is the most that was resident under the load. */
type ProcessMemory = { readonly idle: number; readonly paced: number };

export type MemoryFigures = {
  readonly processes: Readonly<Record<ProcessName, ProcessMemory>>;
  /** Of a bare fastify process with the same options of Node, at rest. */
  readonly bareIdle: number;
  /** Syncs a second that were answered. */
  readonly perSecond: number;
  /** Percent of one processor under the load. */
  readonly cpuPercent: Readonly<Record<"webhook" | "agent", number>>;
  /** Milliseconds from the start to the first answer of readiness: the least and the median of some. */
  readonly startMs: Readonly<
    Record<"webhook" | "agent", { readonly least: number; readonly median: number }>
  >;
};

const BARE = fileURLToPath(new URL("bare-fastify.mjs", import.meta.url));

const memoryOf = (webhook: ServerProcess, agent: ServerProcess): Record<ProcessName, number> => {
  const { own, children } = agent.memory();
  return {
    webhook: webhook.memory().own.now,
    agent: own.now,
    "agent's PKCS#11 child": Math.max(...children.map(({ now }) => now)),
  };
};

const bareMemory = async (): Promise<number> => {
  const bare = await startServerProcess("bare", {}, undefined, BARE);
  try {
    await sleep(REST_MS);
    return bare.memory().own.now;
  } finally {
    await bare.stop();
  }
};

const startTimes = async (start: () => Promise<ServerProcess>) => {
  const times: number[] = [];
  for (let count = 0; count < STARTS; count += 1) {
    const one = await start();
    times.push(one.startMs);
    await one.stop();
  }
  return { least: Math.min(...times), median: median(times) };
};

/** Watches until the answer is called, which gives the most that each process had. */
const watchMost = (look: () => Record<ProcessName, number>) => {
  const most = look();
  const timer = setInterval(() => {
    const now = look();
    for (const name of ["webhook", "agent", "agent's PKCS#11 child"] as const) {
      most[name] = Math.max(most[name], now[name]);
    }
  }, SAMPLE_MS);
  return (): Record<ProcessName, number> => {
    clearInterval(timer);
    return most;
  };
};

/** Has the webhook answer syncs at the pace. */
const measurePace = async (webhook: ServerProcess, agent: ServerProcess, bodies: readonly string[]) => {
  const load = startMeasuringProcess("load.ts", LoadReply);
  try {
    const before = { webhook: webhook.cpuSeconds(), agent: agent.cpuSeconds() };
    const mostOf = watchMost(() => memoryOf(webhook, agent));
    const { perSecond, failed } = await load.ask({
      port: webhook.port,
      method: "POST",
      targets: bodies.map((body) => ({ path: SYNC_PATH, body })),
      connections: CONNECTIONS,
      seconds: PACE.seconds,
      perSecond: PACE.perSecond,
    });
    if (failed > 0) throw new Error(`${failed} syncs were refused`);
    const percent = (role: "webhook" | "agent", now: number) =>
      rounded((100 * (now - before[role])) / PACE.seconds);
    return {
      perSecond,
      paced: mostOf(),
      cpuPercent: {
        webhook: percent("webhook", webhook.cpuSeconds()),
        agent: percent("agent", agent.cpuSeconds()),
      },
    };
  } finally {
    await load.stop();
  }
};

/** Needs dist/, as `npm run build` makes it; the token goes below `folder`. */
export const measureMemory = async (
  folder: string,
  keys: Readonly<Record<string, string>>,
): Promise<MemoryFigures> => {
  const { token, agent } = await startBenchToken(folder, PACE.secrets, keys);
  try {
    const startWebhook = () =>
      startServerProcess("webhook", { AGENTS: `bench=${agent.url}`, LOG_LEVEL: "error" });
    const webhook = await startWebhook();
    try {
      await sleep(REST_MS);
      const idle = memoryOf(webhook, agent);
      const { bodies } = settledSyncs(PACE.secrets, foundReading(keys));
      const { paced, ...rates } = await measurePace(webhook, agent, bodies);
      const both = (name: ProcessName) => ({ idle: idle[name], paced: paced[name] });
      return {
        processes: {
          webhook: both("webhook"),
          agent: both("agent"),
          "agent's PKCS#11 child": both("agent's PKCS#11 child"),
        },
        bareIdle: await bareMemory(),
        ...rates,
        startMs: {
          webhook: await startTimes(startWebhook),
          agent: await startTimes(() => startBenchAgent(token)),
        },
      };
    } finally {
      await webhook.stop();
    }
  } finally {
    await agent.stop();
  }
};
