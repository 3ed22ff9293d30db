// SPDX-License-Identifier: Apache-2.0
// Measures how two replicas of the webhook share the load of one. Where the machine has no processor to spare for each, the rate can't
// show it; processor time does: what the busier of the two takes for all syncs is what bounds them on machines of their own.
import { type ServerProcess, startServerProcess } from "../../local/server-process.ts";
import { rounded } from "../quantile.ts";
import { type Load, loadWith } from "./scale-figures.ts";
import { makeScaleToken } from "./scale-token.ts";

const OBJECTS = 2000;
const ROUNDS = 5;
/** To each webhook, so that one works alike whether there is another or not. */
const CONNECTIONS = 16;

export interface ReplicaFigures {
  /** Syncs a second of one, and of two that share this machine with the agent and the load. */
  readonly one: number;
  readonly two: number;
  /** How many times as many syncs two could answer, by the processor time of the busier one. */
  readonly times: number;
}

const busiestOf = async (
  webhooks: readonly ServerProcess[],
  run: () => Promise<{ syncs: number; perSecond: number }>,
): Promise<{ perSecond: number; secondsEach: number }> => {
  const before = webhooks.map((webhook) => webhook.cpuSeconds());
  const { syncs, perSecond } = await run();
  const taken = webhooks.map((webhook, at) => webhook.cpuSeconds() - (before[at] ?? 0));
  return { perSecond, secondsEach: Math.max(...taken) / syncs };
};

export const measureReplicas = async (
  folder: string,
  load: Load,
  keys: Readonly<Record<string, string>>,
  made: number,
): Promise<ReplicaFigures> => {
  const token = await makeScaleToken(folder, OBJECTS, keys);
  const agent = await token.startAgent();
  const env = { AGENTS: `bench=${agent.url}`, LOG_LEVEL: "error" };
  const [first, second] = [
    await startServerProcess("webhook", env),
    await startServerProcess("webhook", env),
  ];
  const run = (webhooks: readonly ServerProcess[]) =>
    busiestOf(webhooks, () => {
      const ports = webhooks.map(({ port }) => port);
      const connections = CONNECTIONS * webhooks.length;
      const what = { kind: "hsmsecret", keys, objects: OBJECTS, made } as const;
      return loadWith(load, { ...what, ports, connections, seconds: 0 });
    });
  try {
    await run([first, second]);
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      rounds.push({ one: await run([first]), two: await run([first, second]) });
    }
    const byTimes = rounds
      .map(({ one, two }) => ({ one, two, times: one.secondsEach / two.secondsEach }))
      .sort((a, b) => a.times - b.times);
    const middle = byTimes[Math.floor(byTimes.length / 2)];
    if (middle === undefined) throw new Error("no rounds");
    return {
      one: middle.one.perSecond,
      two: middle.two.perSecond,
      times: rounded(middle.times),
    };
  } finally {
    await Promise.all([first.stop(), second.stop()]);
    await agent.stop();
    token.remove();
  }
};
