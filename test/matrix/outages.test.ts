// SPDX-License-Identifier: Apache-2.0
// Tests the bot's connection on a real homeserver while it is unreachable, and when the session ends.
import t from "tap";
import { RequestFailed } from "../../server/matrix/request-failed.ts";
import type { Sleep } from "../../server/time.ts";
import { startTcpProxy } from "../doubles/tcp-proxy.ts";
import { sleepFor, startBotConnection } from "./bot-connection.ts";
import { devicesOf } from "./login/devices.ts";
import { plainUser } from "./plain-user.ts";
import { synapseFor } from "./synapse.ts";

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const account = await synapse.registerUser("bot");
  /** Registering makes one. */
  const others = await devicesOf(synapse, account.userId);
  const alice = await plainUser(synapse, await synapse.registerUser("alice"));
  const allowed = [alice.userId];
  const folder = t.testdir();

  t.test(
    "a homeserver that was killed and comes back: what was said meanwhile is read, and answers go out",
    async (t) => {
      const delays: number[] = [];
      let wake = () => {};
      /** The first waits are over at once; the third lasts until the homeserver is back. */
      const sleep: Sleep = async (ms, signal) => {
        delays.push(ms);
        if (delays.length !== 3) return;
        await Promise.race([new Promise<void>((resolve) => (wake = resolve)), sleepFor(60_000, signal)]);
      };
      const bot = await startBotConnection(t, { homeserver: synapse, account, folder, allowed, sleep });
      const room = await alice.room([account.userId]);
      await bot.until("invitation accepted");
      await alice.say(room, "before");
      await bot.until("message before");
      await synapse.stop("SIGKILL");
      await bot.until("sync unreachable");
      const failure = await bot.chat.send(room, "nobody hears this", "o-1").catch((error: unknown) => error);
      t.ok(failure instanceof RequestFailed && failure.fault.kind === "unreachable");
      await synapse.start();
      await alice.say(room, "after");
      wake();
      await bot.until("message after");
      t.match(await bot.until(/^reconnect/), { what: "reconnect 3" });
      t.same(delays, [1000, 2000, 4000]);
      t.equal(bot.told.filter(({ what }) => what.startsWith("message")).length, 2);
      await bot.chat.send(room, "here again", "o-2");
      t.ok((await alice.events(room)).some(({ content }) => content.body === "here again"));
      t.ok(bot.logged.some((line) => line.includes("the homeserver is there again")));
      await bot.stop();
    },
  );

  t.test("what a sync leaves out after a long absence is read as well, in its order", async (t) => {
    const proxy = await startTcpProxy(t, synapse.baseUrl);
    const other = await synapse.registerUser("away");
    const homeserver = { ...synapse, baseUrl: proxy.url };
    const bot = await startBotConnection(t, { homeserver, account: other, folder: t.testdir(), allowed });
    const room = await alice.room([other.userId]);
    await bot.until("invitation accepted");
    await alice.say(room, "before");
    await bot.until("message before");
    const from = bot.told.length;
    await proxy.shut();
    await bot.until("sync unreachable");
    const said = ["stop", ...Array.from({ length: 155 }, (_, index) => `chatter ${index}`)];
    for (const text of said) await alice.say(room, text);
    await proxy.open();
    await bot.until("message chatter 154");
    const read = bot.told.slice(from).flatMap(({ what }) => (what.startsWith("message") ? [what] : []));
    t.same(
      read,
      said.map((text) => `message ${text}`),
    );
    await bot.stop();
  });

  t.test("a homeserver that hangs does not hold up the end", async (t) => {
    const bot = await startBotConnection(t, { homeserver: synapse, account, folder, allowed });
    await bot.until("sync ok");
    const pid = synapse.pid();
    if (pid === undefined) throw new Error("it does not run");
    process.kill(pid, "SIGSTOP");
    try {
      await bot.stop();
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  t.test(
    "a device that was removed: the bot says so and ends, and a new start is a new device",
    async (t) => {
      const bot = await startBotConnection(t, { homeserver: synapse, account, folder, allowed });
      await bot.until("sync ok");
      const path = `v2/users/${encodeURIComponent(account.userId)}/devices/${bot.deviceId}`;
      await synapse.admin("DELETE", path);
      await bot.until("end device-changed");
      await bot.until("renewal device-changed");
      const room = await alice.room([account.userId]);
      await t.rejects(bot.chat.send(room, "no", "o-3"));
      // The machine has something to write, and the SDK is about to send.
      const member = { type: "m.room.member", state_key: alice.userId, content: { membership: "join" } };
      await bot.sdk.crypto.onRoomEvent(room, member).catch(() => {});
      await t.rejects(bot.sdk.sendText(room, "no"));
      t.same([...bot.store.entries("indexeddb")], [], "the former device's keys are not written again");
      await bot.stop();
      const again = await startBotConnection(t, { homeserver: synapse, account, folder, allowed });
      await again.until("invitation accepted");
      t.not(again.deviceId, bot.deviceId);
      await alice.say(room, "hello again");
      await again.until("message hello again");
      t.same(await devicesOf(synapse, account.userId), [...others, again.deviceId].sort());
      await again.stop();
    },
  );
});

const SESSION_MS = 3000;
const MOST_ROUNDS = 200;
t.test("a token that expires is renewed by itself, for the same device", async (t) => {
  const shortLived = await synapseFor(t, { config: { session_lifetime: SESSION_MS } });
  if (shortLived === undefined) return;
  const account = await shortLived.registerUser("bot");
  const aliceAccount = await shortLived.registerUser("alice");
  const bot = await startBotConnection(t, {
    homeserver: shortLived,
    account,
    folder: t.testdir(),
    allowed: [aliceAccount.userId],
  });
  const room = await (await plainUser(shortLived, aliceAccount)).room([account.userId]);
  await bot.until("invitation accepted");
  const renewals = () => bot.told.filter(({ what }) => what === "renewal ok").length;
  // A round takes no longer than the waits within it, and the token lives for a few of them at most.
  for (let round = 1; renewals() < 2; round += 1) {
    if (round > MOST_ROUNDS) throw new Error(`after ${MOST_ROUNDS} rounds: ${renewals()} renewals`);
    // Hers expires as well, and is a new one each time that she needs it.
    const alice = () => plainUser(shortLived, aliceAccount);
    await (await alice()).say(room, `round ${round}`);
    await bot.until(`message round ${round}`);
    const { id } = await bot.chat.send(room, `answer ${round}`, `s-${round}`);
    t.ok((await (await alice()).events(room)).some(({ event_id }) => event_id === id));
  }
  t.match(await bot.sdk.doRequest("GET", "/_matrix/client/v3/account/whoami"), { device_id: bot.deviceId });
  t.notOk(bot.told.some(({ what }) => what.startsWith("end")));
  await bot.stop();
});
