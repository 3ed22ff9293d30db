// SPDX-License-Identifier: Apache-2.0
// Tests when a message is encrypted without asking whose devices are followed and lack a session, and that nobody is left out by it.
import t from "tap";
import { guardMachine } from "../../../server/matrix/crypto/guarded-machine.ts";
import { type DeviceLists, type OlmMachine, RequestType } from "../../../server/matrix/crypto/olm-machine.ts";

/** A machine that notes what it is asked. `during`: what happens while it is asked who is missing. */
const start = () => {
  const calls: string[] = [];
  const state = { missing: null as object | null, during: async () => {} };
  const machine = {
    outgoingRequests: async () => [],
    getMissingSessions: async () => {
      calls.push("missing");
      await state.during();
      return state.missing;
    },
    updateTrackedUsers: async () => void calls.push("track"),
    shareRoomKey: async () => {
      calls.push("share");
      return [];
    },
    markRequestAsSent: async () => true,
    receiveSyncChanges: async () => "[]",
  };
  const clock = { now: 0 };
  const guarded = guardMachine(
    machine as unknown as OlmMachine,
    { decrypted: () => {}, identitiesUpdated: async () => {}, signatures: () => {} },
    () => clock.now,
  );
  /** As matrix-bot-sdk sends one. */
  const send = async (users = ["@a:b"]): Promise<string> => {
    calls.length = 0;
    await guarded.updateTrackedUsers(users);
    await guarded.getMissingSessions(users);
    await guarded.shareRoomKey("!r", users, {
      ...{ algorithm: 1, historyVisibility: 1, sharingStrategy: 0 },
      ...{ rotationPeriod: 1n, rotationPeriodMessages: 1n },
    });
    return String(calls);
  };
  return { guarded, clock, state, send };
};

t.test("the machine shares the key of each message, and is asked about the same members once", async (t) => {
  const { send } = start();
  t.equal(await send(["@a:b", "@c:d"]), "track,missing,share");
  t.equal(await send(["@c:d", "@a:b"]), "share");
});

const NOBODY: DeviceLists = { isEmpty: () => true };

const changes: [sentence: string, change: (scene: ReturnType<typeof start>) => Promise<unknown>][] = [
  ["a sync with news", ({ guarded }) => guarded.receiveSyncChanges("[{}]", NOBODY, {}, [])],
  ["an answer about devices", ({ guarded }) => guarded.markRequestAsSent("1", RequestType.keysQuery, "{}")],
  ["an answer with keys", ({ guarded }) => guarded.markRequestAsSent("1", RequestType.keysClaim, "{}")],
];
for (const [sentence, change] of changes) {
  t.test(`after ${sentence} it is asked again`, async (t) => {
    const scene = start();
    await scene.send();
    await change(scene);
    t.equal(await scene.send(), "track,missing,share");
  });

  t.test(`after ${sentence} while it is asked, it is asked again`, async (t) => {
    const scene = start();
    scene.state.during = async () => void (await change(scene));
    await scene.send();
    t.match(await scene.send(), /missing/);
  });
}

t.test("it is asked again after a minute, where sessions were missing, and for others", async (t) => {
  const { send, clock, state } = start();
  state.missing = {};
  await send();
  t.equal(await send(), "missing,share", "missing");
  state.missing = null;
  await send();
  t.equal(await send(), "share");
  t.equal(await send(["@a:b", "@c:d"]), "track,missing,share", "another member");
  clock.now = 60_000;
  t.equal(await send(), "missing,share", "a minute");
});

t.test("to-device messages that were sent change no session", async (t) => {
  const { guarded, send } = start();
  await send();
  await guarded.markRequestAsSent("1", RequestType.toDevice, "{}");
  t.equal(await send(), "share");
});
