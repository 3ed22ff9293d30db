// SPDX-License-Identifier: Apache-2.0
// Tests on a real homeserver that the bot follows rooms that are upgraded, and where it is not let in.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import { startBotConnection } from "./bot-connection.ts";
import { type PlainUser, plainUser } from "./plain-user.ts";
import { synapseFor } from "./synapse.ts";

const Room = Type.Object({ room_id: Type.String() });
const Upgraded = Type.Object({ replacement_room: Type.String() });

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const account = await synapse.registerUser("bot");
  const alice = await plainUser(synapse, await synapse.registerUser("alice"));
  const mallory = await plainUser(synapse, await synapse.registerUser("mallory"));
  const start = (folder: string) =>
    startBotConnection(t, { homeserver: synapse, account, folder, allowed: [alice.userId] });
  const create = async (user: PlainUser, preset: string): Promise<string> =>
    Value.Decode(Room, await user.call("POST", "createRoom", { preset, room_version: "10" })).room_id;
  const upgrade = async (user: PlainUser, room: string): Promise<string> => {
    const path = `rooms/${encodeURIComponent(room)}/upgrade`;
    return Value.Decode(Upgraded, await user.call("POST", path, { new_version: "11" })).replacement_room;
  };
  const invite = (user: PlainUser, room: string, userId: string) =>
    user.call("POST", `rooms/${encodeURIComponent(room)}/invite`, { user_id: userId });

  t.test("a room that anybody may join is followed, and heard", async (t) => {
    const bot = await start(t.testdir());
    const room = await create(alice, "public_chat");
    await invite(alice, room, account.userId);
    await bot.until("invitation accepted");
    const next = await upgrade(alice, room);
    await alice.say(next, "are you there?");
    t.match(await bot.until(/^message are you there\?/), { room: next });
    t.ok(bot.logged.some((line) => line.includes("followed a room that was upgraded")));
    await bot.stop();
  });

  t.test(
    "one that it may not join is told once with the errcode; whoever invites it is followed",
    async (t) => {
      const folder = t.testdir();
      const bot = await start(folder);
      const room = await create(mallory, "private_chat");
      await invite(mallory, room, alice.userId);
      await alice.call("POST", `join/${encodeURIComponent(room)}`, {});
      const powers = { users: { [mallory.userId]: 100, [alice.userId]: 100 } };
      await mallory.call("PUT", `rooms/${encodeURIComponent(room)}/state/m.room.power_levels/`, powers);
      const from = bot.told.length;
      await invite(alice, room, account.userId);
      await bot.until("invitation accepted", from);
      const next = await upgrade(mallory, room);
      const refusals = () => bot.logged.filter((line) => line.includes("may not join the new one"));
      await alice.say(room, "still here?").catch(() => {});
      for (let sync = 0; refusals().length === 0 && sync < 50; sync += 1) {
        const at = bot.told.length;
        await create(alice, "private_chat").then((other) => invite(alice, other, account.userId));
        await bot.until("invitation accepted", at);
      }
      t.match(refusals(), [/M_FORBIDDEN/]);
      t.equal(refusals().length, 1);
      await bot.stop();
      const again = await start(folder);
      await again.until("sync ok");
      await invite(mallory, next, account.userId);
      await again.until("invitation accepted");
      t.match(await mallory.joined(next), [account.userId]);
      await again.stop();
    },
  );
});
