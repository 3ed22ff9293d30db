// SPDX-License-Identifier: Apache-2.0
// Prints the figures of the bot, each beside the same exchange without a bot.
import { say, sayTable } from "../print-table.ts";
import { rounded, type Timing } from "../quantile.ts";
import type { BotFigures } from "./bot-figures.ts";
import type { Compared } from "./conversation.ts";

const cells = ({ p50, p95 }: Timing): number[] => [p50, p95];

/** A command and its answer are two messages: more than 1 is what the bot adds to their delivery. */
export const timesOfDelivery = ({ bot, delivery }: Compared): number =>
  rounded(bot.answered.p50 / (2 * delivery.decrypted.p50));

export const reportBot = (figures: BotFigures): void => {
  const { conversation, withEcho, newRooms, memory, cpuMs, startMs } = figures;
  const rows: readonly (readonly [string, Compared])[] = [
    ["start and stop in a room", conversation],
    ["with ECHO_MODE", withEcho],
    ["first in a new room", newRooms],
  ];
  const names = ["patched", "scaled", "answered", "message"].flatMap((name) => [`${name} p50`, "p95"]);
  sayTable([
    ["bot, encrypted, ms", ...names, "times two messages"],
    ...rows.map(([name, compared]) => [
      name,
      ...cells(compared.bot.patched),
      ...cells(compared.bot.scaled),
      ...cells(compared.bot.answered),
      ...cells(compared.delivery.decrypted),
      timesOfDelivery(compared),
    ]),
  ]);
  say(
    "patched and answered: since before the command is sent; scaled: since patched; message: from one client to",
  );
  say(
    `another without a bot, of which the homeserver takes ${conversation.delivery.taken.p50} ms to accept it.\n`,
  );
  sayTable([
    ["bot", "ready", "after 100 commands", "60 s later", "peak"],
    ["resident memory, MiB", memory.ready, memory.afterCommands, memory.afterIdle, memory.peak],
  ]);
  say(
    `The bot starts in ${startMs.fresh} ms on an empty store, in ${startMs.again} ms on its own, and takes ${cpuMs} ms of processor a command.\n`,
  );
};
