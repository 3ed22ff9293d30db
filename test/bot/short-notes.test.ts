// SPDX-License-Identifier: Apache-2.0
// What is told of messages that can't be read or don't count: at once, and of many one note a minute.
import t from "tap";
import { BOB, makeWorld, OTHER_ROOM } from "./world.ts";

t.test(
  "undecryptable and plain messages are told at once, and further ones at the end of a minute",
  async (t) => {
    const world = makeWorld();
    const { runner } = world.live();
    for (const about of ["undecryptable", "undecryptable", "plain-text"] as const) {
      await runner.tell(about, world.message(""));
    }
    await runner.tell("undecryptable", world.message("", { sender: BOB }));
    await runner.tell("undecryptable", world.message("", { room: OTHER_ROOM, age: 300_000 }));
    t.match(
      world.said.map(({ text }) => text.slice(0, 17)),
      ["I couldn't decryp", "This room is encr", "I couldn't decryp"],
    );
    await world.pass(60_000);
    t.equal(world.said[3]?.text, "I couldn't decrypt another message of yours. Please send it again.");
    for (const about of ["undecryptable", "undecryptable", "plain-text"] as const) {
      await runner.tell(about, world.message(""));
    }
    t.match(world.said[4]?.text, /^This room is encrypted/, "its minute is over");
    await runner.tell("plain-text", world.message(""));
    await world.pass(60_000);
    t.same(
      world.said.slice(5).map(({ text }) => text),
      [
        "I couldn't decrypt 2 more messages of yours. Please send them again.",
        "I didn't act on another message of yours, for the same reason.",
      ],
    );
    await runner.tell("undecryptable", world.message(""));
    await runner.close();
    await world.pass(60_000);
    t.equal(world.said.length, 7);
  },
);
