// SPDX-License-Identifier: Apache-2.0
// Notices about missed commands: one room that takes none does not keep them from another.
import t from "tap";
import { createMissed, missedText } from "../../server/bot/missed.ts";
import { createSending } from "../../server/bot/outbox.ts";

t.test("messages that were not read are no number of commands", async (t) => {
  const unread = { verb: "unread" };
  t.match(missedText([unread, unread]), /^I can't read all that was written here while I was away\./);
  t.notMatch(missedText([unread]), /not run/);
  t.match(missedText([unread, { verb: "stop" }]), /^1 command was not run: .*I can't read all/);
  t.notMatch(missedText([{ verb: "stop" }]), /can't read/);
});

t.test("a room that the bot was removed from holds up no other", async (t) => {
  const timers = new Set<() => void>();
  const clock = {
    now: () => 0,
    after: (_ms: number, action: () => void) => {
      timers.add(action);
      return () => timers.delete(action);
    },
  };
  /** What was due runs, and all that follows from it at once. */
  const turn = async () => {
    const due = [...timers];
    timers.clear();
    for (const action of due) action();
    await new Promise((resolve) => setImmediate(resolve));
  };
  const unsent = new Set(["!gone"]);
  const tried: string[] = [];
  const missed = createMissed({
    chat: {
      async send(room) {
        tried.push(room);
        if (room === "!gone") throw new Error("M_FORBIDDEN");
        return { room, id: "$1" };
      },
    },
    clock,
    sending: createSending(clock, () => {}),
    journal: {
      notices: () => [...unsent].map((room) => ({ room, text: "missed", transaction: room })),
      noticeSent: (room) => void unsent.delete(room),
    },
    track: (work) => void work,
  });
  missed.gather();
  await turn();
  t.same(tried, ["!gone"]);
  unsent.add("!here");
  missed.gather();
  await turn();
  t.same(tried.toSorted(), ["!gone", "!gone", "!here"], "and the notice under way is not sent twice over");
  t.same([...unsent], ["!gone"]);
  missed.close();
});
