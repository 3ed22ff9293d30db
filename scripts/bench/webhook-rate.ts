// SPDX-License-Identifier: Apache-2.0
// Measures what a sync costs the webhook with agents that answer at once, beside a bare fastify route: processor time and rate.
import { imageEnv, imageOptions } from "../local/image-env.ts";
import { cpuSecondsOf } from "../local/processor-time.ts";
import { LoadReply, type LoadRequest } from "./load.ts";
import { startMeasuringProcess } from "./measuring-process.ts";
import { median, quantile, rounded, type Timing } from "./quantile.ts";
import { foundReading, ServerStarted, settledSyncs } from "./sync-bodies.ts";

export const SYNC_PATH = "/hooks/hsmsecret/sync";
export const CONNECTIONS = 32;
const BODIES = 64;
/** Short ones, so that what else the machine does is in some and not in all. */
const ROUNDS = 48;
const SECONDS = 0.25;
/** Until V8 has compiled what is hot, which is a matter of calls and not of time; on a machine that is too slow for that, so long. */
const WARM_UP = { syncs: 40_000, seconds: 30 };
/** As many as Metacontroller sends in 20 s at its own pace. */
const FIRST = 8000;
/** Of the rounds by their figures. What else the machine does only adds to processor time, and takes from a rate. */
const QUIET = 0.25;

/** Of the quietest quarter of the rounds: requests a second, milliseconds, and the server's time of processor for one. */
interface Rate {
  readonly perSecond: number;
  readonly timing: Timing;
  readonly cpuMicroseconds: number;
}

export interface WebhookRate {
  readonly webhook: Rate;
  readonly bare: Rate;
  /** The webhook's rate, in percent of that of the bare route. */
  readonly percent: number;
  /** The processor time of a sync, without that of the bare route. */
  readonly beyondMicroseconds: number;
  /** The same by the even rounds alone, and by the odd ones: a run in which they differ says little. */
  readonly halves: readonly [number, number];
  /** The processor time of one of the webhook's first 8,000 syncs, while V8 compiles. */
  readonly firstMicroseconds: number;
  /** Options of V8 and of Node that both processes have: those of the image. */
  readonly options: string;
}

/** `cpu` is in microseconds. */
type Round = { perSecond: number; timing: Timing; cpu: number };
type Pair = { webhook: Round; bare: Round };

const rateOf = (rounds: readonly Round[]): Rate => ({
  perSecond: rounded(
    quantile(
      rounds.map(({ perSecond }) => perSecond),
      1 - QUIET,
    ),
  ),
  timing: {
    p50: rounded(median(rounds.map(({ timing }) => timing.p50))),
    p95: rounded(median(rounds.map(({ timing }) => timing.p95))),
  },
  cpuMicroseconds: rounded(
    quantile(
      rounds.map(({ cpu }) => cpu),
      QUIET,
    ),
  ),
});

const beyond = (pairs: readonly Pair[]): number =>
  rounded(
    quantile(
      pairs.map(({ webhook }) => webhook.cpu),
      QUIET,
    ) -
      quantile(
        pairs.map(({ bare }) => bare.cpu),
        QUIET,
      ),
  );

const rateOfPairs = (pairs: readonly Pair[]): Omit<WebhookRate, "options" | "firstMicroseconds"> => {
  const webhook = rateOf(pairs.map((pair) => pair.webhook));
  const bare = rateOf(pairs.map((pair) => pair.bare));
  const half = (parity: 0 | 1): number => beyond(pairs.filter((_, at) => at % 2 === parity));
  return {
    webhook,
    bare,
    percent: rounded((100 * webhook.perSecond) / bare.perSecond),
    beyondMicroseconds: beyond(pairs),
    halves: [half(0), half(1)],
  };
};

/** Loads both servers by turns, each in a process of its own, with the same bodies and connections. */
export const measureWebhookRate = async (keys: Readonly<Record<string, string>>): Promise<WebhookRate> => {
  const { bodies, answer } = settledSyncs(BODIES, foundReading(keys));
  const targets = bodies.map((body) => ({ path: SYNC_PATH, body }));
  const [env, options] = [imageEnv(), imageOptions()];
  const webhook = startMeasuringProcess("webhook-server.ts", ServerStarted, env, options);
  const bare = startMeasuringProcess("bare-server.ts", ServerStarted, env, options);
  const load = startMeasuringProcess("load.ts", LoadReply);
  try {
    const ports = new Map<number, number>();
    for (const server of [webhook, bare]) ports.set(server.pid, (await server.ask({ keys, answer })).port);
    const run = async ({ pid }: { pid: number }): Promise<Round & { answered: number }> => {
      const before = cpuSecondsOf(pid);
      const port = ports.get(pid) ?? 0;
      const common = { method: "POST" as const, targets, connections: CONNECTIONS, seconds: SECONDS };
      const { answered, perSecond, failed, timing } = await load.ask({
        ...common,
        port,
      } satisfies LoadRequest);
      if (failed > 0) throw new Error(`${failed} syncs were refused`);
      return { answered, perSecond, timing, cpu: (1e6 * (cpuSecondsOf(pid) - before)) / answered };
    };
    /** Answers what one of the first requests took. */
    const warmUp = async (server: { pid: number }): Promise<number> => {
      const until = performance.now() + WARM_UP.seconds * 1000;
      let [done, first, spent] = [0, 0, 0];
      while (done < WARM_UP.syncs && performance.now() < until) {
        const { answered, cpu } = await run(server);
        if (done < FIRST) [first, spent] = [first + answered, spent + cpu * answered];
        done += answered;
      }
      return rounded(spent / first);
    };
    const firstMicroseconds = await warmUp(webhook);
    await warmUp(bare);
    const pairs: Pair[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      // By turns, so that neither always follows on the other.
      if (round % 2 === 0) pairs.push({ webhook: await run(webhook), bare: await run(bare) });
      else pairs.push({ bare: await run(bare), webhook: await run(webhook) });
    }
    const said = [env.NODE_OPTIONS, ...options].filter(Boolean).join(" ");
    return { ...rateOfPairs(pairs), firstMicroseconds, options: said };
  } finally {
    await Promise.all([webhook.stop(), bare.stop(), load.stop()]);
  }
};
