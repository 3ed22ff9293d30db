// SPDX-License-Identifier: Apache-2.0
// Defines the goals of the figures, and checks whether a run met them.
import type { BotFigures } from "./bot/bot-figures.ts";
import { timesOfDelivery } from "./bot/report-bot.ts";
import type { CardResult } from "./card/card-figures.ts";
import type { DiscoveryFigures } from "./discovery-figures.ts";
import type { EndToEnd } from "./end-to-end.ts";
import type { MemoryFigures } from "./memory/memory-figures.ts";
import { rounded } from "./quantile.ts";
import type { SetFigures } from "./set/set-figures.ts";
import type { TokenReads } from "./token-reads.ts";
import type { TokenWrites } from "./token-writes.ts";
import type { WebhookRate } from "./webhook-rate.ts";

export interface Goal {
  readonly goal: string;
  readonly figure: string;
  readonly met: boolean;
}

export const atLeast = (goal: string, value: number, limit: number, unit: string): Goal => ({
  goal: `${goal}: at least ${limit}${unit}`,
  figure: `${rounded(value)}${unit}`,
  met: value >= limit,
});

export const atMost = (goal: string, value: number, limit: number, unit: string): Goal => ({
  goal: `${goal}: at most ${limit}${unit}`,
  figure: `${rounded(value)}${unit}`,
  met: value <= limit,
});

/** The bot that this one replaces took 71 to 99 ms to answer, 220 ms in a new room, and 114 MiB. */
export const botGoals = ({ conversation, withEcho, newRooms, memory, cpuMs }: BotFigures): Goal[] => [
  atMost(
    "command to answer, p50, times two messages between clients",
    timesOfDelivery(conversation),
    1.15,
    "",
  ),
  atMost("the same with ECHO_MODE", timesOfDelivery(withEcho), 1.4, ""),
  atMost("processor time of a command", cpuMs, 35, " ms"),
  atMost("message sent to Toggle patched, p50", conversation.bot.patched.p50, 50, " ms"),
  atMost("message sent to answer decrypted, p50", conversation.bot.answered.p50, 80, " ms"),
  atMost("the same for the first command in a new room", newRooms.bot.answered.p50, 250, " ms"),
  atMost("resident memory of the bot", Math.max(memory.afterCommands, memory.afterIdle), 100, " MiB"),
];

/** Times the time that the PKCS#11 calls for the same objects take by themselves. */
const writeGoals = ({ layouts, importMs, importCallsMs }: TokenWrites): Goal[] => [
  ...layouts.flatMap(({ layout, secret, secretCalls, key, keyCalls }) => [
    atMost(`${layout}: write of a secret, p50, times its calls`, secret.p50 / secretCalls.p50, 2, ""),
    atMost(`${layout}: write of one key, p50, times its calls`, key.p50 / keyCalls.p50, 2, ""),
  ]),
  atMost("import, times its calls", importMs / importCallsMs, 2, ""),
];

/** Reads come from memory, whatever the card is doing. */
export const cardGoals = ({ busy }: Extract<CardResult, { ok: true }>): Goal[] => [
  atMost("reads that fail while a card is loaded and written", busy.failed, 0, ""),
  atMost("their p95", busy.timing.p95, 20, " ms"),
];

/** MiB at the engine's pace. */
const PACED = { webhook: 90, agent: 90, "agent's PKCS#11 child": 80 } as const;

/** Of memory and of starts; a start is the least of some, as what else the machine does adds to it. */
export const memoryGoals = ({ processes, bareIdle, startMs }: MemoryFigures): Goal[] => [
  ...(["webhook", "agent", "agent's PKCS#11 child"] as const).flatMap((name) => [
    atMost(`the ${name} at rest, times a bare fastify process`, processes[name].idle / bareIdle, 1.25, ""),
    atMost(`the ${name} at the engine's pace, resident`, processes[name].paced, PACED[name], " MiB"),
  ]),
  atMost("webhook, start to ready", startMs.webhook.least, 400, " ms"),
  atMost("agent, start to ready", startMs.agent.least, 400, " ms"),
];

/** It runs on every node. */
export const discoveryGoal = ({ memory }: DiscoveryFigures): Goal =>
  atMost("resident memory of discovery", memory, 70, " MiB");

/** Of a set of HSMs. */
export const setGoals = ({ mirroring, reads, writes }: SetFigures): Goal[] => [
  atMost("secrets that a mirror is sent for one that was changed", mirroring.change.sent.most, 1, ""),
  atMost("next sync from the mirror after the primary was killed", Math.max(...reads.killed), 1000, " ms"),
  atMost("the same after it fell silent", Math.max(...reads.silent), 1000, " ms"),
  atMost("next write after the primary was killed", writes.killedSeconds, 45, " s"),
  atMost("the same after it fell silent", writes.silentSeconds, 45, " s"),
];

/** Of the webhook and of agents on SoftHSM2. */
export interface HookFigures {
  readonly webhookRate: WebhookRate;
  readonly endToEnd: EndToEnd;
  readonly reads: readonly TokenReads[];
  readonly writes: TokenWrites;
}

const readGoals = (reads: readonly TokenReads[]): Goal[] => {
  const at = (secrets: number): TokenReads => {
    const found = reads.find((one) => one.secrets === secrets);
    if (found === undefined) throw new Error(`no token of ${secrets} secrets was measured`);
    return found;
  };
  return [
    atMost("read p50 at 2,000 secrets, times that at 20", at(2000).agent.p50 / at(20).agent.p50, 1.5, ""),
    atLeast(
      "read p50 at 200 secrets, times faster than a scan",
      at(200).scan.p50 / at(200).agent.p50,
      10,
      "",
    ),
  ];
};

/** Of an unchanged sync beside a bare route. */
export const webhookRateGoals = ({ percent, beyondMicroseconds }: WebhookRate): Goal[] => [
  atLeast("webhook syncs beside a bare fastify route", percent, 60, " %"),
  atMost("its processor time for one, beyond that of the route", beyondMicroseconds, 60, " µs"),
];

/** Without those of memory and writes. */
const syncGoals = ({ webhookRate, reads }: HookFigures): Goal[] => [
  ...webhookRateGoals(webhookRate),
  ...readGoals(reads),
];

const roleMemoryGoals = ({ endToEnd }: HookFigures): Goal[] =>
  Object.entries(endToEnd.memory).map(([process, { now }]) =>
    atMost(`resident memory of the ${process}`, now, 120, " MiB"),
  );

export const hookGoals = (figures: HookFigures): Goal[] => [
  ...syncGoals(figures),
  ...roleMemoryGoals(figures),
  ...writeGoals(figures.writes),
];
