// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: measures syncs, reads on SoftHSM2, sets of HSMs, a card, discovery, the bot on Synapse, and memory, prints the figures of this run beside
// their goals, and writes them to bench/results/latest.json.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BenchToken, startBenchToken } from "./bench/bench-token.ts";
import { type BotResult, measureBot } from "./bench/bot/bot-figures.ts";
import { reportBot } from "./bench/bot/report-bot.ts";
import { measureCard } from "./bench/card/card-figures.ts";
import { reportCard } from "./bench/card/report-card.ts";
import { type DiscoveryFigures, measureDiscovery } from "./bench/discovery-figures.ts";
import { measureEndToEnd } from "./bench/end-to-end.ts";
import {
  discoveryGoal,
  type Figures,
  goalsOf,
  type HookFigures,
  hookGoals,
  memoryGoals,
  setGoals,
} from "./bench/goals.ts";
import { measureMemory } from "./bench/memory/memory-figures.ts";
import { reportMemory } from "./bench/memory/report-memory.ts";
import { say, sayGoals, sayTable } from "./bench/print-table.ts";
import { reportSets } from "./bench/set/report-sets.ts";
import { measureSets } from "./bench/set/set-figures.ts";
import { measureTokenReads } from "./bench/token-reads.ts";
import { measureTokenWrites } from "./bench/token-writes.ts";
import { CONNECTIONS, measureWebhookRate } from "./bench/webhook-rate.ts";
import { PROFILE_FOLDER } from "./local/profile/profiled.ts";
import { provide, SMART_CARD, SOFTHSM } from "./system-packages.ts";

const SIZES = [20, 200, 2000];
/** The keys of every secret. */
const KEYS = { username: "app", password: "x".repeat(32) };
/** Has each process write a profile of its time and of its memory beside the figures. */
const PROFILE = "--profile";
const RESULTS = new URL("../bench/results/", import.meta.url);

const reportDiscovery = ({ memory, peak, startMs, cpuPercent }: DiscoveryFigures): void => {
  sayTable([
    ["discovery at rest", "MiB", "MiB peak", "start to ready ms", "CPU %"],
    ["with its manifest's options", memory, peak, startMs, cpuPercent],
  ]);
};

const reportHooks = ({ webhookRate, endToEnd, reads, writes }: HookFigures): void => {
  const { webhook, bare } = webhookRate;
  sayTable([
    [`syncs, ${CONNECTIONS} connections`, "requests/s", "p50 ms", "p95 ms", "CPU µs each"],
    [
      "webhook, agents in-process",
      webhook.perSecond,
      webhook.timing.p50,
      webhook.timing.p95,
      webhook.cpuMicroseconds,
    ],
    ["bare fastify route", bare.perSecond, bare.timing.p50, bare.timing.p95, bare.cpuMicroseconds],
    ["webhook and agent, unchanged", endToEnd.perSecond, endToEnd.timing.p50, endToEnd.timing.p95, ""],
  ]);
  sayTable([
    ["reads, ms", "agent p50", "agent p95", "calls p50", "calls p95", "scan p50", "scan p95"],
    ...reads.map(({ secrets, agent, calls, scan }) => [
      `${secrets} secrets of ${Object.keys(KEYS).length} keys`,
      ...[agent, calls, scan].flatMap(({ p50, p95 }) => [p50, p95]),
    ]),
  ]);
  sayTable([
    [`writes at ${writes.secrets} secrets, ms`, "agent p50", "agent p95", "calls p50", "calls p95"],
    ...writes.layouts.flatMap(({ layout, secret, secretCalls, key, keyCalls }) => [
      [`${layout}: a secret`, secret.p50, secret.p95, secretCalls.p50, secretCalls.p95],
      [`${layout}: one key`, key.p50, key.p95, keyCalls.p50, keyCalls.p95],
    ]),
    ["import of 500 secrets", writes.importMs, "", writes.importCallsMs, ""],
  ]);
  const started = new Map<string, number>(Object.entries(endToEnd.startMs));
  sayTable([
    ["resident memory", "MiB under load", "MiB peak", "start to ready ms"],
    ...Object.entries(endToEnd.memory).map(([name, { now, peak }]) => [
      name,
      now,
      peak,
      started.get(name) ?? "",
    ]),
  ]);
  say(
    `Of the agent's answers to the syncs ${endToEnd.unchangedPercent} % were 304; it gave ${endToEnd.agentPerSecond} reads/s.\n`,
  );
};

const report = ({ memory, discovery, sets, card, bot, ...hooks }: Figures): void => {
  reportHooks(hooks);
  reportMemory(memory);
  reportDiscovery(discovery);
  reportSets(sets);
  reportCard(card);
  if (bot.ok) reportBot(bot.figures);
  else say(`The bot was not measured: ${bot.why}\n`);
};

const measureHooks = async (folder: string): Promise<HookFigures> => {
  const webhookRate = await measureWebhookRate(KEYS);
  const tokens: BenchToken[] = [];
  try {
    for (const size of SIZES) tokens.push(await startBenchToken(folder, size, KEYS));
    const reads = await measureTokenReads(tokens, Object.keys(KEYS));
    const largest = tokens.at(-1);
    if (largest === undefined) throw new Error("no token");
    return {
      webhookRate,
      endToEnd: await measureEndToEnd(largest, KEYS),
      reads,
      writes: await measureTokenWrites(folder),
    };
  } finally {
    await Promise.all(tokens.map(({ agent }) => agent.stop()));
  }
};

const run = async (folder: string): Promise<void> => {
  const hooks = await measureHooks(folder);
  const memory = await measureMemory(folder, KEYS);
  const discovery = await measureDiscovery(folder);
  const sets = await measureSets(folder);
  const card = await measureCard(folder);
  const bot: BotResult = await measureBot(folder, say);
  const figures: Figures = { ...hooks, memory, discovery, sets, card, bot };
  const goals = goalsOf(figures);
  report(figures);
  sayGoals(goals);
  mkdirSync(RESULTS, { recursive: true });
  const machine = { processors: cpus().length, model: cpus()[0]?.model, node: process.version };
  const written = { machine, ...figures, goals };
  writeFileSync(new URL("latest.json", RESULTS), `${JSON.stringify(written, null, 2)}\n`);
};

provide(SMART_CARD, say); // without it the card's figures say so
const [missing] = provide([SOFTHSM], say);
if (missing !== undefined) throw new Error(`${missing.name} is missing: apt-get install ${missing.debian}`);
const folder = mkdtempSync(join(tmpdir(), "keyswitch-bench-"));
const words = process.argv.slice(2).filter((word) => word !== PROFILE);
if (process.argv.includes(PROFILE)) {
  const profiles = fileURLToPath(new URL("profiles/", RESULTS));
  rmSync(profiles, { recursive: true, force: true });
  mkdirSync(profiles, { recursive: true });
  process.env[PROFILE_FOLDER] = profiles;
  say(`Profiles go to ${profiles}; figures of processes that are profiled are not those of others.\n`);
}
try {
  // `npm run bench -- card` measures the card alone, and so on.
  const [part] = words;
  if (part === "card") reportCard(await measureCard(folder));
  else if (part === "discovery") {
    const figures = await measureDiscovery(folder);
    reportDiscovery(figures);
    sayGoals([discoveryGoal(figures)]);
  } else if (part === "memory") {
    const figures = await measureMemory(folder, KEYS);
    reportMemory(figures);
    sayGoals(memoryGoals(figures));
  } else if (part === "sets") {
    const figures = await measureSets(folder);
    reportSets(figures);
    sayGoals(setGoals(figures));
  } else if (part === "hooks") {
    const figures = await measureHooks(folder);
    reportHooks(figures);
    sayGoals(hookGoals(figures));
  } else await run(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
