// SPDX-License-Identifier: Apache-2.0
// Measures how two replicas of the webhook share the load of one: each under a limit of processor time, or where none can be set by the
// time that they take. What the busier of the two takes for all syncs is what bounds them on machines of their own.
import { type ServerProcess, startServerProcess } from "../../local/server-process.ts";
import { atLeast, type Goal } from "../goals.ts";
import { say, sayTable } from "../print-table.ts";
import { rounded } from "../quantile.ts";
import { type LimitedReplicas, measureLimitedReplicas, type Saturate } from "./limited-replicas.ts";
import { type Load, loadWith } from "./scale-figures.ts";
import { makeScaleToken } from "./scale-token.ts";

const OBJECTS = 2000;
const ROUNDS = 5;
/** Until V8 has compiled what is hot. */
const WARM_UP_SECONDS = 4;
/** The part of their limits that webhooks take which nothing else holds up. */
const TAKEN = 0.95;
/** To each webhook, so that one works alike whether there is another or not. */
const CONNECTIONS = 16;

interface ReplicasByTime {
  readonly kind: "by processor time";
  /** Why no limit could be set. */
  readonly why: string;
  /** Syncs a second of one, and of two that share this machine with the agent and the load. */
  readonly one: number;
  readonly two: number;
  /** How many times as many syncs two could answer, by the processor time of the busier one. */
  readonly times: number;
}

export type ReplicaFigures = LimitedReplicas | ReplicasByTime;

type Each = (webhooks: readonly ServerProcess[]) => Promise<{ syncs: number; perSecond: number }>;

const busiestOf = async (
  webhooks: readonly ServerProcess[],
  run: Each,
): Promise<{ perSecond: number; secondsEach: number }> => {
  const before = webhooks.map((webhook) => webhook.cpuSeconds());
  const { syncs, perSecond } = await run(webhooks);
  const taken = webhooks.map((webhook, at) => webhook.cpuSeconds() - (before[at] ?? 0));
  return { perSecond, secondsEach: Math.max(...taken) / syncs };
};

const measureByTime = async (
  [first, second]: readonly [ServerProcess, ServerProcess],
  why: string,
  each: Each,
): Promise<ReplicasByTime> => {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    rounds.push({ one: await busiestOf([first], each), two: await busiestOf([first, second], each) });
  }
  const byTimes = rounds
    .map(({ one, two }) => ({ one, two, times: one.secondsEach / two.secondsEach }))
    .sort((a, b) => a.times - b.times);
  const middle = byTimes[Math.floor(byTimes.length / 2)];
  if (middle === undefined) throw new Error("no rounds");
  const [one, two] = [middle.one.perSecond, middle.two.perSecond];
  return { kind: "by processor time", why, one, two, times: rounded(middle.times) };
};

export const measureReplicas = async (
  folder: string,
  load: Load,
  keys: Readonly<Record<string, string>>,
): Promise<ReplicaFigures> => {
  const token = await makeScaleToken(folder, OBJECTS, keys);
  const agent = await token.startAgent();
  const env = { AGENTS: `bench=${agent.url}`, LOG_LEVEL: "error" };
  const both = [await startServerProcess("webhook", env), await startServerProcess("webhook", env)] as const;
  /** `seconds` 0 is each object once. */
  const run = (webhooks: readonly ServerProcess[], seconds: number) => {
    const ports = webhooks.map(({ port }) => port);
    const what = { kind: "hsmsecret", keys, objects: OBJECTS, made: OBJECTS, ports, seconds } as const;
    return loadWith(load, { ...what, connections: CONNECTIONS * webhooks.length });
  };
  const saturate: Saturate = async (webhooks, seconds) => (await run(webhooks, seconds)).perSecond;
  try {
    await run(both, WARM_UP_SECONDS);
    const limited = await measureLimitedReplicas(both, agent, saturate);
    if (limited.kind === "limited") return limited;
    return await measureByTime(both, limited.why, (webhooks) => run(webhooks, 0));
  } finally {
    await Promise.all(both.map((webhook) => webhook.stop()));
    await agent.stop();
    token.remove();
  }
};

export const reportReplicas = (figures: ReplicaFigures): void => {
  if (figures.kind === "by processor time") {
    const { one, two, times, why } = figures;
    say(`No webhook can be limited to a part of a processor here (${why}), so that all share what there is:`);
    say(`one answers ${one} syncs/s, two ${two} beside agent and load, which is ${times} times by the time`);
    say("of processor that the busier of the two takes.\n");
    return;
  }
  const { percent, one, two, times, webhookPercent, agentPercent } = figures;
  sayTable([
    [`webhooks, each with ${percent} % of a processor`, "one", "two"],
    ["syncs/s", one, two],
    ["% of a processor that they took", webhookPercent.one, webhookPercent.two],
    ["  the agent and its child meanwhile", agentPercent.one, agentPercent.two],
  ]);
  say(`Two answer ${times} times the syncs of one.\n`);
  if (webhookPercent.one < TAKEN * percent || webhookPercent.two < TAKEN * 2 * percent) {
    say("They took less than they may: what they share or the machine was too busy, and this says less.\n");
  }
};

export const replicaGoals = ({ kind, times }: ReplicaFigures): Goal[] => [
  atLeast(`syncs of two webhooks, times those of one, ${HOW[kind]}`, times, 1.8, ""),
];

const HOW = { limited: "with a part of a processor each", "by processor time": "by processor time" } as const;
