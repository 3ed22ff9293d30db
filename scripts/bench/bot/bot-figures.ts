// SPDX-License-Identifier: Apache-2.0
// Measures all figures of the bot on a homeserver of its own: commands in encrypted rooms, memory, and starts.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { prepareSynapseRoot } from "../../homeserver/synapse-root.ts";
import { median } from "../quantile.ts";
import { type BenchScene, setBenchScene } from "./bench-scene.ts";
import {
  type Compared,
  measureConversation,
  measureNewRooms,
  roomOfTwo,
  roomWith,
  WARM_UP,
} from "./conversation.ts";

const COMMANDS = 50;
const NEW_ROOMS = 10;
const STARTS = 3;
const IDLE_MS = 60_000;

export type BotFigures = {
  readonly conversation: Compared;
  /** The same with ECHO_MODE, which sends an echo before it acts. */
  readonly withEcho: Compared;
  /** First commands of new rooms. */
  readonly newRooms: Compared;
  /** MiB that are resident; `peak` since the start. */
  readonly memory: {
    readonly ready: number;
    readonly afterCommands: number;
    readonly afterIdle: number;
    readonly peak: number;
  };
  /** Milliseconds of processor for one command with its edits. */
  readonly cpuMs: number;
  /** Milliseconds until /readyz answers 200: with a log-in and new keys, and with what the last run left. */
  readonly startMs: { readonly fresh: number; readonly again: number };
};

/** Undefined with the reason where this machine has no Synapse. */
export type BotResult =
  | { readonly ok: true; readonly figures: BotFigures }
  | { readonly ok: false; readonly why: string };

const measureStarts = async (scene: BenchScene): Promise<BotFigures["startMs"]> => {
  const fresh: number[] = [];
  const again: number[] = [];
  for (let count = 0; count < STARTS; count += 1) {
    const account = await scene.account();
    for (const times of [fresh, again]) {
      const bot = await scene.bot(account, `start-${count}`);
      times.push(bot.startMs);
      await bot.stop();
    }
  }
  return { fresh: median(fresh), again: median(again) };
};

const measure = async (scene: BenchScene): Promise<BotFigures> => {
  const startMs = await measureStarts(scene);
  const account = await scene.account();
  const bot = await scene.bot(account, "store");
  const { userId } = account;
  const ready = bot.memory().own.now;
  const rooms = { bot: await roomWith(scene, userId), two: await roomOfTwo(scene) };
  const cpuBefore = bot.cpuSeconds();
  const conversation = await measureConversation(scene, rooms, COMMANDS);
  const cpu = bot.cpuSeconds() - cpuBefore;
  const newRooms = await measureNewRooms(scene, userId, NEW_ROOMS);
  // Up to 100 commands in all.
  await measureConversation(scene, rooms, 100 - COMMANDS - NEW_ROOMS - 2 * WARM_UP);
  const afterCommands = bot.memory().own.now;
  await sleep(IDLE_MS);
  const { now: afterIdle, peak } = bot.memory().own;
  await bot.stop();
  const echoing = await scene.bot(account, "store", { ECHO_MODE: "true" });
  const withEcho = await measureConversation(scene, rooms, COMMANDS);
  await echoing.stop();
  return {
    conversation,
    withEcho,
    newRooms,
    memory: { ready, afterCommands, afterIdle, peak },
    cpuMs: Math.round((1000 * cpu) / (COMMANDS + WARM_UP)),
    startMs,
  };
};

/** Needs dist/, as `npm run build` makes it; its files go below `folder`. `say` is told what takes long. */
export const measureBot = async (folder: string, say: (line: string) => void): Promise<BotResult> => {
  const synapse = await prepareSynapseRoot(say);
  if (synapse.kind === "unavailable") return { ok: false, why: synapse.why };
  const own = join(folder, "bot");
  mkdirSync(own);
  const scene = await setBenchScene(synapse.root, own);
  try {
    return { ok: true, figures: await measure(scene) };
  } finally {
    await scene.close();
  }
};
