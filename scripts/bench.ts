// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: measures syncs, reads on SoftHSM2, sets of HSMs, a card, discovery, the bot on Synapse, and memory, each a part that
// can be named, beside their goals.
import { type BenchToken, startBenchToken } from "./bench/bench-token.ts";
import { measureBot } from "./bench/bot/bot-figures.ts";
import { reportBot } from "./bench/bot/report-bot.ts";
import { measureCard } from "./bench/card/card-figures.ts";
import { reportCard } from "./bench/card/report-card.ts";
import { type DiscoveryFigures, measureDiscovery } from "./bench/discovery-figures.ts";
import { measureEndToEnd } from "./bench/end-to-end.ts";
import {
  botGoals,
  cardGoals,
  discoveryGoal,
  type HookFigures,
  hookGoals,
  memoryGoals,
  setGoals,
  webhookRateGoals,
} from "./bench/goals.ts";
import { measureMemory } from "./bench/memory/memory-figures.ts";
import { reportMemory } from "./bench/memory/report-memory.ts";
import { measured, type Part } from "./bench/part.ts";
import { say, sayTable } from "./bench/print-table.ts";
import { reportWebhookRate } from "./bench/report-webhook-rate.ts";
import { runBench } from "./bench/run-bench.ts";
import { reportSets } from "./bench/set/report-sets.ts";
import { measureSets } from "./bench/set/set-figures.ts";
import { measureTokenReads } from "./bench/token-reads.ts";
import { measureTokenWrites } from "./bench/token-writes.ts";
import { CONNECTIONS, measureWebhookRate } from "./bench/webhook-rate.ts";
import { provide, SMART_CARD } from "./system-packages.ts";

const SIZES = [20, 200, 2000];
/** The keys of every secret. */
const KEYS = { username: "app", password: "x".repeat(32) };

const reportDiscovery = ({ memory, peak, startMs, cpuPercent }: DiscoveryFigures): void => {
  sayTable([
    ["discovery at rest", "MiB", "MiB peak", "start to ready ms", "CPU %"],
    ["with its manifest's options", memory, peak, startMs, cpuPercent],
  ]);
};

const reportHooks = ({ webhookRate, endToEnd, reads, writes }: HookFigures): void => {
  reportWebhookRate(webhookRate);
  const { perSecond, timing } = endToEnd;
  sayTable([
    [`syncs, ${CONNECTIONS} connections`, "requests/s", "p50 ms", "p95 ms"],
    ["webhook and agent, unchanged", perSecond, timing.p50, timing.p95],
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
    ["per-key: import of 500", writes.perKeyImport.importMs, "", writes.perKeyImport.importCallsMs, ""],
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

const memory: Part = {
  name: "memory",
  about: "webhook and agent at rest and at the pace of the engine, and their starts",
  heading: "Memory and start",
  async measure({ folder }) {
    return measured(await measureMemory(folder, KEYS), reportMemory, memoryGoals);
  },
};

const syncs: Part = {
  name: "syncs",
  about: "of hooks, unchanged syncs beside a bare fastify route alone",
  heading: "Processor time",
  onDemand: true,
  async measure() {
    return measured(await measureWebhookRate(KEYS), reportWebhookRate, webhookRateGoals);
  },
};

const hooks: Part = {
  name: "hooks",
  about: "syncs, reads and writes of webhook and agents on SoftHSM2",
  heading: "Processor time",
  async measure({ folder }) {
    return measured(await measureHooks(folder), reportHooks, hookGoals);
  },
};

const discovery: Part = {
  name: "discovery",
  about: "discovery at rest",
  heading: "Memory and start",
  async measure({ folder }) {
    return measured(await measureDiscovery(folder), reportDiscovery, (figures) => [discoveryGoal(figures)]);
  },
};

const sets: Part = {
  name: "sets",
  about: "sets of HSMs: mirroring, and failover of reads and writes",
  heading: "Sets of HSMs",
  async measure({ folder }) {
    return measured(await measureSets(folder), reportSets, setGoals);
  },
};

const card: Part = {
  name: "card",
  about: "a card behind OpenSC, beside pkcs11-tool",
  heading: "Cards",
  async measure({ folder }) {
    provide(SMART_CARD, say); // without it the card's figures say so
    const result = await measureCard(folder);
    if (!result.ok) return { kind: "not measured", why: result.why };
    return measured(result, reportCard, cardGoals);
  },
};

const bot: Part = {
  name: "bot",
  about: "commands in encrypted rooms of a Synapse, beside messages without a bot",
  heading: "Chat",
  async measure({ folder }) {
    const result = await measureBot(folder, say);
    if (!result.ok) return { kind: "not measured", why: result.why };
    return measured(result.figures, reportBot, botGoals);
  },
};

await runBench({ command: "npm run bench", parts: [syncs, hooks, memory, discovery, sets, card, bot] });
