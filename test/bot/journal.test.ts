// SPDX-License-Identifier: Apache-2.0
// Tests the journal on the real store: what persists over a restart, and what is forgotten.
import t from "tap";
import { openJournal } from "../../server/bot/journal.ts";
import { openBotStore } from "../../server/bot/store.ts";
import { ALICE, ROOM, START } from "./world.ts";

const entry = {
  at: START,
  room: ROOM,
  sender: ALICE,
  sentAt: START,
  verb: "stop",
  step: { state: "accepted" as const, command: { verb: "stop" as const }, echo: "🦞 stop" },
};
const done = { state: "done" as const, edits: 0 };
const maxAgeMs = 120_000;

t.test("opened again it knows every message, its step, and their order", async (t) => {
  const folder = t.testdir();
  const store = openBotStore(folder);
  const journal = openJournal({ store, maxAgeMs });
  for (const id of ["$z", "$a", "$m"]) t.ok(journal.add(id, entry), id);
  t.equal(journal.add("$a", entry), undefined);
  journal.step("$z", done);
  store.close();
  const again = openBotStore(folder);
  t.teardown(() => again.close());
  const reopened = openJournal({ store: again, maxAgeMs });
  t.same(
    reopened.pending().map(({ id }) => id),
    ["$a", "$m"],
  );
  t.equal(reopened.add("$z", entry), undefined, "what is done is known");
  reopened.add("$b", entry);
  t.equal(reopened.pending().at(-1)?.id, "$b");
});

t.test("what is done keeps no text", async (t) => {
  const store = openBotStore(t.testdir());
  t.teardown(() => store.close());
  const journal = openJournal({ store, maxAgeMs });
  journal.add("$a", entry);
  journal.step("$a", done);
  const [[, bytes] = []] = store.entries("commands");
  t.notMatch(Buffer.from(bytes ?? []).toString(), /🦞/);
});

t.test("an entry that can't be read is told, left out, and not run again", async (t) => {
  const store = openBotStore(t.testdir());
  t.teardown(() => store.close());
  const told: string[] = [];
  for (const text of ["{", "{}", JSON.stringify({ ...entry, sequence: "1" })]) {
    store.put("commands", "m:$a", text);
    const journal = openJournal({ store, maxAgeMs, onUnreadable: (key) => told.push(key) });
    t.same(journal.pending(), []);
    t.equal(journal.add("$a", entry), undefined);
  }
  t.ok(told.includes("m:$a"));
});

t.test("what is done is forgotten after a day, or sooner where there is much; nothing else is", async (t) => {
  const store = openBotStore(t.testdir());
  t.teardown(() => store.close());
  const journal = openJournal({ store, maxAgeMs });
  const known = (id: string) => journal.get(id) !== undefined;
  journal.add("$pending", entry);
  store.transaction(() => {
    for (let index = 0; index < 5_010; index++) {
      journal.add(`$${index}`, entry);
      journal.step(`$${index}`, done);
    }
  });
  journal.forget(START + 2 * maxAgeMs);
  t.ok(known("$0"), "not while it could pass as young");
  journal.forget(START + 2 * maxAgeMs + 1);
  t.same([known("$9"), known("$10")], [false, true]);
  journal.forget(START + 24 * 3_600_000);
  t.ok(known("$10"));
  journal.forget(START + 24 * 3_600_000 + 1);
  t.same([known("$10"), known("$pending")], [false, true]);
});

t.test("a closed journal is not written", async (t) => {
  const store = openBotStore(t.testdir());
  t.teardown(() => store.close());
  const journal = openJournal({ store, maxAgeMs, isClosed: () => true });
  t.throws(() => journal.add("$a", entry));
  t.same([...store.entries("commands")], []);
});
