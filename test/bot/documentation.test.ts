// SPDX-License-Identifier: Apache-2.0
// Tests docs/chat.md: its commands parse, and the bot has its conversation.
import { readFileSync } from "node:fs";
import t from "tap";
import { commandOf } from "../../server/bot/command.ts";
import { makeWorld } from "./world.ts";

const document = readFileSync(new URL("../../docs/chat.md", import.meta.url), "utf8");

t.test("every command of the table is one", async (t) => {
  const cells = [...document.matchAll(/^\| (`[^|]+) \|/gm)].map(([, cell = ""]) => cell);
  const commands = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text));
  t.ok(commands.length >= 10);
  for (const text of commands) t.notMatch(commandOf(text).verb, /unknown|refused/, text);
});

t.test("the conversation is what the bot answers", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  const lines = [...document.matchAll(/^ {4}(you|bot|…) +(.*)$/gm)].map(([, who, text = ""]) => ({
    who,
    text,
  }));
  t.ok(lines.length >= 10);
  for (const { who, text } of lines) {
    if (who === "you") {
      runner.accept(world.message(text), { resumed: false });
      await world.pass(0);
    } else if (text.startsWith("@")) {
      t.equal(`${world.told.at(-1)?.mentions}: ${world.told.at(-1)?.text}`, text);
    } else if (who === "bot") t.equal(world.said.at(-1)?.text, text);
    else {
      world.becomes("web", / is off/.test(text) ? "Off" : / is starting/.test(text) ? "Starting" : "Running");
      await world.pass(1000);
      t.equal(world.said.at(-1)?.edits.at(-1), text);
    }
  }
});
