// SPDX-License-Identifier: Apache-2.0
// Tests that a crypto machine is asked for requests wherever something may have given it one.
import t from "tap";
import type { OlmMachine } from "../../../server/matrix/crypto/olm-machine.ts";
import { quietMachine } from "../../../server/matrix/crypto/quiet-machine.ts";

const start = async () => {
  const state = { requests: [] as object[], asked: 0 };
  const running = Promise.withResolvers<void>();
  const machine = {
    outgoingRequests: async () => {
      state.asked += 1;
      return state.requests;
    },
    decryptRoomEvent: async () => ({}),
    encryptRoomEvent: async () => "{}",
    shareRoomKey: () => running.promise,
    updateTrackedUsers: async () => {
      throw new Error("broken");
    },
    verification: {},
  };
  const clock = { now: 0 };
  const quiet = quietMachine(machine as unknown as OlmMachine, () => clock.now);
  const isAsked = async (): Promise<boolean> => {
    const before = state.asked;
    await quiet.outgoingRequests();
    return state.asked > before;
  };
  await isAsked();
  return { quiet, state, clock, isAsked, end: running.resolve };
};

t.test("one that had no request is not asked again where nothing has happened", async (t) => {
  const { quiet, isAsked } = await start();
  t.notOk(await isAsked());
  await quiet.encryptRoomEvent("!r", "m.room.message", "{}");
  t.notOk(await isAsked(), "nor after a message was encrypted");
});

t.test("it is asked after a call, once", async (t) => {
  const { quiet, isAsked } = await start();
  await quiet.decryptRoomEvent("{}", "!r");
  t.ok(await isAsked());
  t.notOk(await isAsked());
});

t.test("it is asked after a call that failed", async (t) => {
  const { quiet, isAsked } = await start();
  await t.rejects(quiet.updateTrackedUsers([]));
  t.ok(await isAsked());
});

t.test("it is asked each time while a call lasts, and once after it", async (t) => {
  const { quiet, isAsked, end } = await start();
  const sharing = quiet.shareRoomKey("!r", [], {} as never);
  t.ok(await isAsked());
  t.ok(await isAsked());
  end();
  await sharing;
  t.ok(await isAsked());
  t.notOk(await isAsked());
});

t.test("it is asked each time until it has no more", async (t) => {
  const { quiet, isAsked, state } = await start();
  state.requests = [{ id: "1" }];
  await quiet.decryptRoomEvent("{}", "!r");
  t.ok(await isAsked());
  t.ok(await isAsked());
});

t.test("it is asked each time while a verification may go on, and now and then in any case", async (t) => {
  const { quiet, isAsked, clock } = await start();
  clock.now += 60_000;
  t.ok(await isAsked());
  t.notOk(await isAsked());
  t.ok(quiet.verification);
  t.ok(await isAsked());
  t.ok(await isAsked());
  clock.now += 15 * 60_000;
  await isAsked();
  t.notOk(await isAsked());
});
