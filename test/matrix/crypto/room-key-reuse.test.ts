// SPDX-License-Identifier: Apache-2.0
// Tests when a message is encrypted without a look at who has the room's key, and that nobody is left out by it.
import t from "tap";
import { openBotStore } from "../../../server/bot/store.ts";
import { guardMachine } from "../../../server/matrix/crypto/guarded-machine.ts";
import type { DeviceLists, OlmMachine } from "../../../server/matrix/crypto/olm-machine.ts";
import { messageIndex } from "../../../server/matrix/crypto/room-key-reuse.ts";
import { createUnusedKeys, notKept } from "../../../server/matrix/crypto/unused-keys.ts";

const DAY = 24 * 3_600_000;

/** A machine of one room that has one key, and makes another where somebody `lacks` it. */
const start = ({ messages = 100n, lacks = 1, index = 0, period = DAY, unusedKeys = notKept } = {}) => {
  const state = { lacks, index, session: "first", messages, period, isBroken: false };
  const calls: string[] = [];
  const machine = {
    outgoingRequests: async () => {
      calls.push("outgoing");
      return [];
    },
    getMissingSessions: async () => {
      calls.push("missing");
      return null;
    },
    updateTrackedUsers: async () => void calls.push("track"),
    shareRoomKey: async () => {
      calls.push("share");
      return Array.from({ length: state.lacks }, () => ({}));
    },
    encryptRoomEvent: async () => {
      const ciphertext = Buffer.from([3, 8, state.index, 18, 5]).toString("base64");
      state.index += 1;
      if (state.isBroken) throw new Error("the store can't be written");
      return JSON.stringify({ session_id: state.session, ciphertext });
    },
    markRequestAsSent: async () => true,
    receiveSyncChanges: async () => "[]",
  };
  const clock = { now: 0 };
  const now = () => clock.now;
  const guarded = guardMachine(
    machine as unknown as OlmMachine,
    { decrypted: () => {}, identitiesUpdated: async () => {}, signatures: () => {}, unusedKeys },
    { now, wall: now },
  );
  /** As matrix-bot-sdk sends one. `arrives`: whether what is to be sent first does. */
  const send = async (users = ["@a:b"], arrives = true): Promise<string> => {
    calls.length = 0;
    await guarded.updateTrackedUsers(users);
    await guarded.outgoingRequests();
    await guarded.getMissingSessions(users);
    const requests = await guarded.shareRoomKey("!r", users, {
      ...{ algorithm: 1, historyVisibility: 1, sharingStrategy: 0 },
      ...{ rotationPeriod: BigInt(state.period), rotationPeriodMessages: state.messages },
    });
    if (!arrives && requests.length > 0) return `${calls} failed`;
    if (requests.length > 0) {
      state.lacks = 0;
      await guarded.markRequestAsSent("1", 3, "{}");
    }
    await guarded.encryptRoomEvent("!r", "m.room.message", "{}");
    await guarded.outgoingRequests();
    return String(calls);
  };
  const pass = (ms: number): void => {
    clock.now += ms;
  };
  return { guarded, clock, pass, state, send };
};

t.test("the third message of a key needs no look at all", async (t) => {
  const { send } = start();
  t.equal(await send(), "track,outgoing,missing,share,outgoing", "the key is sent");
  t.equal(await send(), "share,outgoing", "all have it");
  t.equal(await send(), "");
});

const NOBODY: DeviceLists = { isEmpty: () => true };

const changes: [sentence: string, change: (scene: ReturnType<typeof start>) => Promise<unknown>][] = [
  ["a sync with news", ({ guarded }) => guarded.receiveSyncChanges("[{}]", NOBODY, {}, [])],
  ["an answer about devices", ({ guarded }) => guarded.markRequestAsSent("1", 1, "{}")],
  ["an answer with keys of devices", ({ guarded }) => guarded.markRequestAsSent("1", 2, "{}")],
  ["a minute", async ({ pass }) => pass(60_000)],
  ["a clock that was set back", async ({ pass }) => pass(-1)],
];
for (const [sentence, change] of changes) {
  t.test(`after ${sentence} it is looked who lacks the key`, async (t) => {
    const scene = start();
    for (let count = 0; count < 3; count += 1) await scene.send();
    await change(scene);
    t.match(await scene.send(), /share/);
  });
}

t.test("it is looked where another is in the room", async (t) => {
  const { send } = start();
  for (let count = 0; count < 3; count += 1) await send();
  t.match(await send(["@a:b", "@c:d"]), /missing,share/);
});

t.test("a key that could not be sent is sent again before the next message", async (t) => {
  const { send, state, guarded } = start();
  for (let count = 0; count < 3; count += 1) await send();
  state.lacks = 1;
  await guarded.markRequestAsSent("1", 1, "{}");
  t.match(await send(["@a:b"], false), /failed/);
  t.match(await send(["@a:b"], false), /share failed/);
});

t.test("no more messages are encrypted with a key than the room allows", async (t) => {
  const { send } = start({ messages: 4n });
  for (let count = 0; count < 3; count += 1) await send();
  t.equal(await send(), "", "the fourth");
  t.match(await send(), /share/);
});

const others = [
  ["messages", { messages: 1000n }],
  ["time", { period: 7 * DAY }],
] as const;
for (const [sentence, limits] of others) {
  t.test(`a key keeps its limits where its room allows more ${sentence} than when it was made`, async (t) => {
    const { send, state } = start();
    for (let count = 0; count < 3; count += 1) await send();
    Object.assign(state, limits);
    for (let count = 0; count < 3; count += 1) t.match(await send(), /share/);
    Object.assign(state, { session: "second", index: 0, lacks: 1 });
    for (let count = 0; count < 2; count += 1) t.match(await send(), /share/);
    t.equal(await send(), "", "the next key has the new ones");
  });

  t.test(`nor is it taken for a new one where more ${sentence} are allowed before it arrives`, async (t) => {
    const { send, state } = start();
    t.match(await send(["@a:b"], false), /failed/);
    Object.assign(state, limits);
    for (let count = 0; count < 4; count += 1) t.match(await send(), /share/);
  });
}

t.test("a key that a process before has made, and could not send, is no younger for that", async (t) => {
  const store = openBotStore(t.testdir());
  t.teardown(() => store.close());
  const unusedKeys = createUnusedKeys(store);
  const begin = () => start({ unusedKeys });
  t.match(await begin().send(["@a:b"], false), /failed/);
  const late = begin();
  late.clock.now = DAY - 60_000;
  for (let count = 0; count < 4; count += 1) t.match(await late.send(), /share/, "near its end");
  t.match(await begin().send(["@a:b"], false), /failed/);
  const other = begin();
  other.state.messages = 1000n;
  for (let count = 0; count < 4; count += 1) t.match(await other.send(), /share/, "other limits");
  const next = begin();
  next.clock.now = 5 * DAY;
  for (let count = 0; count < 2; count += 1) await next.send();
  t.equal(await next.send(), "", "one that was used is not remembered");
});

t.test("limits beyond 64 bits are what the machine makes of them", async (t) => {
  const few = start({ messages: 2n ** 64n + 3n });
  for (let count = 0; count < 3; count += 1) await few.send();
  t.match(await few.send(), /share/, "three messages");
  const short = start({ period: Number(2n ** 64n / 1000n) + 1 });
  for (let count = 0; count < 3; count += 1) t.match(await short.send(), /share/, "no time");
});

t.test(
  "after a message that could not be encrypted the machine looks until there is another key",
  async (t) => {
    const { send, state } = start();
    for (let count = 0; count < 3; count += 1) await send();
    state.isBroken = true;
    await t.rejects(send(), /can't be written/);
    state.isBroken = false;
    for (let count = 0; count < 3; count += 1) t.match(await send(), /share/);
  },
);

t.test("a key of which it is not known how old it is has the machine look each time", async (t) => {
  const { send } = start({ index: 7, lacks: 0 });
  for (let count = 0; count < 3; count += 1) t.match(await send(), /share/);
});

t.test("near the end of a key's time the machine looks", async (t) => {
  const { send, clock } = start({ period: 3_600_000 });
  for (let count = 0; count < 2; count += 1) await send();
  clock.now = 3_600_000 - 62_000;
  await send();
  t.equal(await send(), "");
  clock.now = 3_600_000 - 60_000;
  t.match(await send(), /share/);
});

t.test("the index of a message is read as megolm writes it", async (t) => {
  const of = (...bytes: number[]) => messageIndex(Buffer.from(bytes).toString("base64").replace(/=+$/, ""));
  t.equal(of(3, 8, 0, 18, 5), 0);
  t.equal(of(3, 8, 127, 18, 5), 127);
  t.equal(of(3, 8, 0x80, 1, 18), 128);
  t.equal(of(3, 8, 0xff, 0xff, 3, 18), 65_535);
  t.equal(of(4, 8, 0, 18), undefined, "another version");
  t.equal(of(3, 18, 0, 18), undefined, "another field");
  t.equal(of(3, 8), undefined, "cut off");
});
