// SPDX-License-Identifier: Apache-2.0
// Tests on a real homeserver that an encrypted message counts once, in the event that brought it first, also when it is sent
// again.
import t from "tap";
import { startUser } from "../../scripts/homeserver/client/user.ts";
import { openBotStore } from "../../server/bot/store.ts";
import { forgetDevice } from "../../server/matrix/crypto/encryption.ts";
import { createMessageReplays } from "../../server/matrix/message-replays.ts";
import { startBotConnection } from "./bot-connection.ts";
import { plainUser } from "./plain-user.ts";
import { synapseFor } from "./synapse.ts";

/** A Megolm message as far as it is looked at: the version, and the index as protobuf has it. */
const message = (...index: number[]): string =>
  Buffer.from([3, 8, ...index, 18, 16, ...new Array(16).fill(7)])
    .toString("base64")
    .replace(/=+$/, "");
const event = (id: string, ciphertext: string, { sentAt = 1000, session = "S1" } = {}) => ({
  type: "m.room.encrypted",
  event_id: id,
  sender: "@alice:example.org",
  origin_server_ts: sentAt,
  content: { algorithm: "m.megolm.v1.aes-sha2", session_id: session, ciphertext },
});

const rows: [sentence: string, next: ReturnType<typeof event>, isReplay: boolean][] = [
  ["the same event, delivered again, is no replay", event("$1", message(5)), false],
  ["another event with its message is one", event("$2", message(5)), true],
  ["it at another time is one", event("$1", message(5), { sentAt: 2000 }), true],
  ["what stands behind the index makes no other message of it", event("$2", `${message(5)}AAAA`), true],
  ["the next message is none", event("$2", message(6)), false],
  ["the same index of another session is none", event("$2", message(5), { session: "S2" }), false],
  ["an index of two bytes is another one", event("$2", message(0x85, 1)), false],
  ["what is no message counts as one", event("$2", "bm9uZQ"), true],
  ["so does one without an end of its index", event("$2", message(255, 255, 255, 255, 255)), true],
];
for (const [sentence, next, isReplay] of rows) {
  t.test(sentence, async (t) => {
    const folder = t.testdir();
    const store = openBotStore(folder);
    t.equal(createMessageReplays(store).isReplay(event("$1", message(5))), false);
    t.equal(createMessageReplays(store).isReplay(next), isReplay);
    t.equal(createMessageReplays(store).isReplay(next), isReplay, "and is the same the next time");
    forgetDevice(store);
    t.same([...store.entries("received")], [], "it goes with the device, whose keys read it");
    store.close();
  });
}

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const account = await synapse.registerUser("bot");
  const aliceAccount = await synapse.registerUser("alice");
  const alice = await startUser({ baseUrl: synapse.baseUrl, ...aliceAccount });
  t.teardown(() => alice.stop());
  // With a user's access token, and without her keys: what a homeserver could do as well.
  const forger = await plainUser(synapse, aliceAccount);
  const folder = t.testdir();
  const start = () =>
    startBotConnection(t, { homeserver: synapse, account, folder, allowed: [alice.userId] });
  let bot = await start();
  const room = await alice.createRoom({ invite: [bot.userId] });
  await alice.seesMember(room, bot.userId);
  const id = await alice.sendText(room, "stop");
  await bot.until("message stop");
  const content = (await forger.events(room)).find(({ event_id }) => event_id === id)?.content ?? {};

  /** What comes of the message when it is sent again; `marker` tells when the bot is past it. */
  const replay = async (marker: string): Promise<string[]> => {
    const from = bot.told.length;
    const again = await forger.send(room, content, "m.room.encrypted");
    await alice.sendText(room, marker);
    await bot.until(`message ${marker}`, from);
    return bot.told.slice(from).flatMap((one) => (one.id === again ? [one.what] : []));
  };
  t.same(await replay("first marker"), ["refused replayed"]);
  await bot.stop();
  bot = await start();
  t.same(await replay("second marker"), ["refused replayed"], "after a restart too");
});
