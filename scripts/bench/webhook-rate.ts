// SPDX-License-Identifier: Apache-2.0
// Measures how many syncs a second the webhook answers with agents that answer at once, beside a bare fastify route.
import { cpuSecondsOf } from "../local/server-process.ts";
import { LoadReply, type LoadRequest } from "./load.ts";
import { startMeasuringProcess } from "./measuring-process.ts";
import { median, rounded, type Timing, timingOf } from "./quantile.ts";
import { foundReading, ServerStarted, settledSyncs } from "./sync-bodies.ts";

export const SYNC_PATH = "/hooks/hsmsecret/sync";
export const CONNECTIONS = 32;
const BODIES = 64;
const ROUNDS = 7;
const SECONDS = 1;
/** Until V8 has compiled what is hot: with less the first rounds are half as fast. */
const WARM_UP_SECONDS = 3;

/** Requests a second; `timing` is the median round's, `cpuMicroseconds` the server's time of processor a request. */
interface Rate {
  readonly perSecond: number;
  readonly timing: Timing;
  readonly cpuMicroseconds: number;
}

export interface WebhookRate {
  readonly webhook: Rate;
  readonly bare: Rate;
  /** The median of the rounds' ratios. */
  readonly percent: number;
  /** The median of the rounds' differences: the processor time of a sync, without that of the bare route. */
  readonly beyondMicroseconds: number;
  readonly rounds: readonly { webhook: number; bare: number }[];
}

type Round = { perSecond: number; timing: Timing; cpu: number };

const rateOf = (rounds: readonly Round[]): Rate => ({
  perSecond: median(rounds.map(({ perSecond }) => perSecond)),
  timing: {
    p50: timingOf(rounds.map(({ timing }) => timing.p50)).p50,
    p95: timingOf(rounds.map(({ timing }) => timing.p95)).p50,
  },
  cpuMicroseconds: rounded(median(rounds.map(({ cpu }) => cpu)) * 1e6),
});

/** Loads both servers by turns, each in a process of its own, with the same bodies and connections. */
export const measureWebhookRate = async (keys: Readonly<Record<string, string>>): Promise<WebhookRate> => {
  const { bodies, answer } = settledSyncs(BODIES, foundReading(keys));
  const webhook = startMeasuringProcess("webhook-server.ts", ServerStarted);
  const bare = startMeasuringProcess("bare-server.ts", ServerStarted);
  const load = startMeasuringProcess("load.ts", LoadReply);
  try {
    const [webhookAt, bareAt] = [await webhook.ask({ keys, answer }), await bare.ask({ keys, answer })];
    const run = async (pid: number, port: number, seconds = SECONDS): Promise<Round> => {
      const before = cpuSecondsOf(pid);
      const request: LoadRequest = {
        port,
        method: "POST",
        targets: bodies.map((body) => ({ path: SYNC_PATH, body })),
        connections: CONNECTIONS,
        seconds,
      };
      const { perSecond, failed, timing } = await load.ask(request);
      if (failed > 0) throw new Error(`${failed} syncs were refused`);
      return { perSecond, timing, cpu: (cpuSecondsOf(pid) - before) / (perSecond * seconds) };
    };
    await run(webhook.pid, webhookAt.port, WARM_UP_SECONDS);
    await run(bare.pid, bareAt.port, WARM_UP_SECONDS);
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      rounds.push({
        webhook: await run(webhook.pid, webhookAt.port),
        bare: await run(bare.pid, bareAt.port),
      });
    }
    return {
      webhook: rateOf(rounds.map((round) => round.webhook)),
      bare: rateOf(rounds.map((round) => round.bare)),
      percent: rounded(median(rounds.map((round) => (100 * round.webhook.perSecond) / round.bare.perSecond))),
      beyondMicroseconds: rounded(median(rounds.map((round) => round.webhook.cpu - round.bare.cpu)) * 1e6),
      rounds: rounds.map((round) => ({ webhook: round.webhook.perSecond, bare: round.bare.perSecond })),
    };
  } finally {
    await Promise.all([webhook.stop(), bare.stop(), load.stop()]);
  }
};
