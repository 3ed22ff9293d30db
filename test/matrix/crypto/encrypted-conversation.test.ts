// SPDX-License-Identifier: Apache-2.0
// Tests an encrypted conversation on a real homeserver, with a bot that is killed in the middle of it.
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { startUser } from "../../../scripts/homeserver/client/user.ts";
import { synapseFor } from "../synapse.ts";
import { type BotSettings, startBot } from "./crypto-bot-settings.ts";
import { logIn } from "./log-in.ts";

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const baseUrl = synapse.baseUrl;
  const alice = await synapse.registerUser("alice");
  const bot = await synapse.registerUser("bot");
  const login = await logIn(baseUrl, bot);
  const settings: BotSettings = {
    ...login,
    url: baseUrl,
    folder: t.testdir(),
    policy: "warn",
    allowedUsers: [alice.userId],
  };

  t.test("an encrypted conversation", async (t) => {
    let running = startBot(settings);
    t.teardown(() => running.kill());
    const ready = await running.report("ready");
    t.strictSame(ready.outcome, { kind: "signed", identity: "created", backup: "none" });
    t.comment("resident memory of the bot, MiB", ready.memory);
    // A client as MSC4153 wants them: it gives keys to cross-signed devices alone, and shows messages of no others.
    const user = await startUser({ baseUrl, ...alice, onlySignedDevices: true });
    t.teardown(() => user.stop());
    await user.crossSign();
    const roomWithBot = async () => {
      const room = await user.createRoom({ invite: [bot.userId] });
      await user.seesMember(room, bot.userId);
      return room;
    };
    const room = await roomWithBot();

    await t.test("the first command in a new room is answered", async (t) => {
      await user.sendText(room, "first");
      t.match(await user.nextMessage({ text: "echo first" }), { encrypted: true, kind: "m.notice" });
      const { verdict, origin } = await running.report("message", ({ text }) => text === "first");
      t.strictSame(verdict, { obey: true });
      t.match(origin, { sender: alice.userId, device: user.deviceId, state: "signed" });
    });

    await t.test(
      "the user's client sees a device that its owner has signed, and the fingerprint",
      async (t) => {
        const fingerprint = ready.fingerprint.replaceAll(" ", "");
        t.strictSame(await user.devicesOf(bot.userId), [
          { id: login.deviceId, fingerprint, signedByOwner: true },
        ]);
      },
    );

    await t.test("killed at any moment, the bot answers every message after its restart", async (t) => {
      for (let round = 1; round <= 8; round += 1) {
        await user.sendText(room, `message ${round}`);
        // Not waiting for anything: the moment of the kill is what is being varied.
        await sleep(randomInt(120));
        await running.kill();
        await user.sendText(room, `missed ${round}`);
        running = startBot(settings);
        const again = await running.report("ready");
        t.equal(again.fingerprint, ready.fingerprint, "it is the same device");
        t.match(again.outcome, { kind: "signed", identity: "kept" });
        t.match(await user.nextMessage({ text: `echo message ${round}` }), { encrypted: true });
        t.match(await user.nextMessage({ text: `echo missed ${round}` }), { encrypted: true });
        t.strictSame(
          running.reports.filter(({ kind }) => kind === "undecryptable" || kind === "sdk-error"),
          [],
        );
      }
      t.equal((await user.devicesOf(bot.userId)).length, 1);
    });

    await t.test("a new device of the user reads the next answer", async (t) => {
      const second = await startUser({ baseUrl, ...alice });
      t.teardown(() => second.stop());
      await user.sendText(room, "with two devices");
      t.match(await second.nextMessage({ text: "echo with two devices" }), { encrypted: true });
      await second.sendText(room, "from the new device");
      const { verdict, origin } = await running.report(
        "message",
        ({ text }) => text === "from the new device",
      );
      t.strictSame(verdict, { obey: true });
      t.match(origin, { device: second.deviceId, state: "unsigned" });
      await second.sendText(room, "once more");
      await second.nextMessage({ text: "echo once more" });
      const warnings = running.reports.filter(
        (report) => report.kind === "log" && report.text.includes("has not signed"),
      );
      t.equal(warnings.length, 1, "the log says so, once");
    });

    await t.test("more messages at once than a room's key is good for", async (t) => {
      await user.sendText(room, "many");
      t.match(await user.nextMessage({ text: "echo many" }), { encrypted: true });
      await user.sendText(room, "still there?");
      t.match(await user.nextMessage({ text: "echo still there?" }), { encrypted: true });
    });

    await t.test("another new room", async (t) => {
      const another = await roomWithBot();
      await user.sendText(another, "first there");
      t.match(await user.nextMessage({ text: "echo first there" }), { encrypted: true });
    });
    t.strictSame(
      user.inRoom(room).filter(({ sender, failure }) => sender === bot.userId && failure !== undefined),
      [],
      "the user could read all that the bot wrote",
    );
  });
});
