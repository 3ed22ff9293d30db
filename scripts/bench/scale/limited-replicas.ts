// SPDX-License-Identifier: Apache-2.0
// Measures the syncs of one webhook and of two, each under a limit of processor time of its own as in a cluster: what they share would
// show, and not how many processors this machine has.
import type { ServerProcess } from "../../local/server-process.ts";
import { type CpuLimit, limitCpu } from "../cpu-limit.ts";
import { median, rounded } from "../quantile.ts";

/** So little of a processor that two, the agent and the load have enough on a machine with two. */
const SHARE = 0.2;
/** Periods of the limit are a tenth of a second: one more or less is little of this. */
const SECONDS = 4;
const ROUNDS = 3;

export interface LimitedReplicas {
  readonly kind: "limited";
  /** Percent of a processor that each webhook may take. */
  readonly percent: number;
  /** Syncs a second of one webhook, and of two. */
  readonly one: number;
  readonly two: number;
  readonly times: number;
  /** Percent of a processor that were taken with one and with two: by both webhooks, and by the agent and its child. */
  readonly webhookPercent: { readonly one: number; readonly two: number };
  readonly agentPercent: { readonly one: number; readonly two: number };
}

/** Syncs a second that these webhooks answer, as many as they can for so long. */
export type Saturate = (webhooks: readonly ServerProcess[], seconds: number) => Promise<number>;

type Round = { perSecond: number; webhookPercent: number; agentPercent: number };

const processorOf = (processes: readonly ServerProcess[]): number =>
  processes.reduce((sum, one) => sum + one.allCpuSeconds(), 0);

const measureRound = async (
  webhooks: readonly ServerProcess[],
  agent: ServerProcess,
  saturate: Saturate,
): Promise<Round> => {
  const begin = performance.now();
  const before = { webhooks: processorOf(webhooks), agent: processorOf([agent]) };
  const perSecond = await saturate(webhooks, SECONDS);
  const percent = (taken: number): number => (100_000 * taken) / (performance.now() - begin);
  return {
    perSecond,
    webhookPercent: percent(processorOf(webhooks) - before.webhooks),
    agentPercent: percent(processorOf([agent]) - before.agent),
  };
};

/** A round: each alone, both between them, so that what else the machine does is alike for all. */
type Turn = { first: Round; both: Round; second: Round };

/** The ratio is the middle of the rounds' own. */
export const summed = (turns: readonly Turn[]): LimitedReplicas => {
  const both = (of: (round: Round) => number) => ({
    one: rounded(median(turns.flatMap(({ first, second }) => [of(first), of(second)]))),
    two: rounded(median(turns.map((turn) => of(turn.both)))),
  });
  return {
    kind: "limited",
    percent: 100 * SHARE,
    ...both(({ perSecond }) => perSecond),
    times: rounded(
      median(turns.map((turn) => (2 * turn.both.perSecond) / (turn.first.perSecond + turn.second.perSecond))),
    ),
    webhookPercent: both(({ webhookPercent }) => webhookPercent),
    agentPercent: both(({ agentPercent }) => agentPercent),
  };
};

/** By turns, each of the two alone and both; or why no limit can be set here. The webhooks have run hot before. */
export const measureLimitedReplicas = async (
  [first, second]: readonly [ServerProcess, ServerProcess],
  agent: ServerProcess,
  saturate: Saturate,
): Promise<LimitedReplicas | { readonly kind: "not limited"; readonly why: string }> => {
  const limits: CpuLimit[] = [];
  try {
    for (const webhook of [first, second]) {
      const limit = limitCpu(webhook.pids()[0] ?? 0, SHARE);
      if (!limit.ok) return { kind: "not limited", why: limit.why };
      limits.push(limit);
    }
    const turns: Turn[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      turns.push({
        first: await measureRound([first], agent, saturate),
        both: await measureRound([first, second], agent, saturate),
        second: await measureRound([second], agent, saturate),
      });
    }
    return summed(turns);
  } finally {
    for (const limit of limits) if (limit.ok) limit.release();
  }
};
