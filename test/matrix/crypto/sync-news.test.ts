// SPDX-License-Identifier: Apache-2.0
// Tests which syncs are given to the crypto machine: all that hold something, and of the others one now and then.
import t from "tap";
import { guardMachine } from "../../../server/matrix/crypto/guarded-machine.ts";
import type { DeviceLists, OlmMachine } from "../../../server/matrix/crypto/olm-machine.ts";

const NOBODY: DeviceLists = { isEmpty: () => true };
const SOMEBODY: DeviceLists = { isEmpty: () => false };

/** A machine that has taken in a sync with fifty keys. */
const start = async () => {
  const taken: string[] = [];
  let isBroken = false;
  const machine = {
    receiveSyncChanges: async (events: string) => {
      if (isBroken) throw new Error("broken");
      taken.push(events);
      return "[]";
    },
    markRequestAsSent: async () => true,
  };
  const clock = { now: 0 };
  const guarded = guardMachine(
    machine as unknown as OlmMachine,
    { decrypted: () => {}, identitiesUpdated: async () => {}, signatures: () => {} },
    () => clock.now,
  );
  const sync = (events = "[]", lists = NOBODY, keys = 50, unused = ["signed_curve25519"]) =>
    guarded.receiveSyncChanges(events, lists, { signed_curve25519: keys }, unused);
  await sync();
  const hasTaken = async (...given: Parameters<typeof sync>): Promise<boolean> => {
    const before = taken.length;
    await sync(...given);
    return taken.length > before;
  };
  return { guarded, clock, hasTaken, sync, breaks: (broken: boolean) => (isBroken = broken) };
};

t.test("a sync with nothing for the machine is kept from it", async (t) => {
  const { hasTaken } = await start();
  t.notOk(await hasTaken());
});

for (const [sentence, ...given] of [
  ["to-device events", `[{"type":"m.dummy"}]`],
  ["changed devices", "[]", SOMEBODY],
  ["another count of keys", "[]", NOBODY, 49],
  ["a fallback key that was used", "[]", NOBODY, 50, []],
] as const) {
  t.test(`${sentence} are given to it, and the same count after them is none that is new`, async (t) => {
    const { hasTaken } = await start();
    const [events, lists, keys, unused] = given;
    t.ok(await hasTaken(events, lists, keys, unused && [...unused]));
    t.notOk(await hasTaken("[]", NOBODY, keys, unused && [...unused]));
  });
}

t.test("one that failed is given to it again", async (t) => {
  const { hasTaken, sync, breaks } = await start();
  breaks(true);
  await t.rejects(sync("[]", NOBODY, 49));
  breaks(false);
  t.ok(await hasTaken("[]", NOBODY, 49));
});

t.test("after a request the homeserver's counts are given to it, which may be older or newer", async (t) => {
  const { guarded, hasTaken } = await start();
  await guarded.markRequestAsSent("1", 0, "{}");
  t.ok(await hasTaken());
});

t.test("within a minute it is given a sync in any case, which ends what nobody goes on with", async (t) => {
  const { clock, hasTaken } = await start();
  clock.now = 60_000;
  t.ok(await hasTaken());
  t.notOk(await hasTaken());
});
