// SPDX-License-Identifier: Apache-2.0
// Measures an agent that a thousand readers wait for at once: whether its memory grows, and how soon it says that it is alive.
import { setTimeout as sleep } from "node:timers/promises";
import { Pool, request } from "undici";
import { pathOf } from "../bench-token.ts";
import { atMost, type Goal } from "../goals.ts";
import { sayTable } from "../print-table.ts";
import { quantile, rounded } from "../quantile.ts";
import { makeScaleToken } from "./scale-token.ts";

const OBJECTS = 1000;
const READERS = 1000;
/** Fewer than the agent takes: the other readers wait in the client for one, as they do in a webhook. */
const CONNECTIONS = 64;
/** The heaps grow to what they need in the first ten. */
const SECONDS = 30;
const PROBE_MS = 100;

export interface WaitingFigures {
  readonly readers: number;
  readonly perSecond: number;
  readonly failed: number;
  /** MiB resident, of the agent and of its child together: at half time, and at the end. */
  readonly memoryEarly: number;
  readonly memoryLate: number;
  /** Milliseconds. */
  readonly healthP95: number;
}

export const measureWaiting = async (
  folder: string,
  keys: Readonly<Record<string, string>>,
): Promise<WaitingFigures> => {
  const token = await makeScaleToken(folder, OBJECTS, keys);
  const agent = await token.startAgent();
  const pool = new Pool(agent.url, { connections: CONNECTIONS, pipelining: 1 });
  const deadline = performance.now() + SECONDS * 1000;
  const isOver = (): boolean => performance.now() > deadline;
  const tally = { reads: 0, failed: 0 };
  const read = async (reader: number): Promise<void> => {
    for (let at = reader; !isOver(); at += READERS + 1) {
      const { statusCode, body } = await pool.request({
        method: "GET",
        path: `/v1/secrets/${pathOf(at % OBJECTS)}`,
      });
      await body.dump();
      tally.reads += 1;
      if (statusCode !== 200) tally.failed += 1;
    }
  };
  const probes: number[] = [];
  const probe = async (): Promise<void> => {
    while (!isOver()) {
      const begin = performance.now();
      const { body } = await request(`${agent.url}/healthz`);
      await body.dump();
      probes.push(performance.now() - begin);
      await sleep(PROBE_MS);
    }
  };
  const memory = (): number => {
    const { own, children } = agent.memory();
    return own.now + children.reduce((sum, { now }) => sum + now, 0);
  };
  try {
    const early = sleep((SECONDS * 1000) / 2).then(memory);
    await Promise.all([probe(), ...Array.from({ length: READERS }, (_, reader) => read(reader))]);
    return {
      readers: READERS,
      perSecond: rounded(tally.reads / SECONDS),
      failed: tally.failed,
      memoryEarly: await early,
      memoryLate: memory(),
      healthP95: rounded(quantile(probes, 0.95)),
    };
  } finally {
    await pool.destroy();
    await agent.stop();
    token.remove();
  }
};

export const reportWaiting = (figures: WaitingFigures): void => {
  const { readers, perSecond, failed, memoryEarly, memoryLate, healthP95 } = figures;
  sayTable([
    ["an agent and", "reads/s", "failed", "MiB early", "MiB late", "/healthz p95 ms"],
    [`${readers} readers`, perSecond, failed, memoryEarly, memoryLate, healthP95],
  ]);
};

export const waitingGoals = ({ failed, memoryEarly, memoryLate, healthP95 }: WaitingFigures): Goal[] => [
  atMost("reads that fail with a thousand readers", failed, 0, ""),
  atMost("the agent's memory late, times early", memoryLate / memoryEarly, 1.1, ""),
  atMost("its /healthz meanwhile, p95", healthP95, 50, " ms"),
];
