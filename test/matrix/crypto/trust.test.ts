// SPDX-License-Identifier: Apache-2.0
// Tests trust on first use on a real homeserver, when a user's identity changes.
import t from "tap";
import { startUser } from "../../../scripts/homeserver/client/user.ts";
import { synapseFor } from "../synapse.ts";
import { type BotSettings, startBot } from "./crypto-bot-settings.ts";
import { logIn } from "./log-in.ts";

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const baseUrl = synapse.baseUrl;

  for (const policy of ["warn", "refuse"] as const) {
    t.test(`TRUST_POLICY=${policy}`, async (t) => {
      const alice = await synapse.registerUser(`alice-${policy}`);
      const account = await synapse.registerUser(`bot-${policy}`);
      const settings: BotSettings = {
        ...(await logIn(baseUrl, account)),
        url: baseUrl,
        folder: t.testdir(),
        policy,
        allowedUsers: [alice.userId],
      };
      let bot = startBot(settings);
      t.teardown(() => bot.kill());
      await bot.report("ready");
      const user = await startUser({ baseUrl, ...alice });
      t.teardown(() => user.stop());
      const room = await user.createRoom({ invite: [account.userId] });
      await user.seesMember(room, account.userId);
      const verdictOn = async (text: string, from = user) => {
        await from.sendText(room, text);
        await from.nextMessage({ text: `echo ${text}` });
        return (await bot.report("message", (message) => message.text === text)).verdict;
      };
      const changes = () => bot.reports.filter(({ kind }) => kind === "change");

      t.strictSame(await verdictOn("without an identity"), { obey: true });
      await user.crossSign();
      t.strictSame(await verdictOn("with the first identity"), { obey: true });
      t.strictSame(changes(), [], "the first identity is no change");

      const stranger = await startUser({ baseUrl, ...alice });
      t.teardown(() => stranger.stop());
      t.strictSame(
        await verdictOn("from a device that is not signed", stranger),
        policy === "warn" ? { obey: true } : { obey: false, reason: "unsigned-device" },
      );

      const former = await user.masterKey();
      await user.crossSign();
      const refusal = policy === "warn" ? { obey: true } : { obey: false, reason: "identity-changed" };
      t.strictSame(await verdictOn("with another identity"), refusal);
      t.strictSame(await verdictOn("and once more"), refusal, "answers can be sent all the same");
      const key = (await user.masterKey()) ?? "";
      t.match(changes(), [
        { change: { user: alice.userId, from: former, to: key, isObeyed: policy === "warn" } },
      ]);

      await bot.kill();
      bot = startBot(settings);
      t.strictSame(await verdictOn("after a restart"), refusal);
      t.strictSame(changes(), [], "it is told once, restarts included");

      await bot.kill();
      bot = startBot({ ...settings, identities: [{ user: alice.userId, masterKey: key }] });
      t.strictSame(await verdictOn("accepted by the operator"), { obey: true });

      await bot.kill();
      await stranger.crossSign();
      const next = (await stranger.masterKey()) ?? "";
      t.not(next, key);
      bot = startBot({ ...settings, identities: [{ user: alice.userId, masterKey: next }] });
      await bot.report("ready");
      t.strictSame(
        await verdictOn("in a session that the former identity vouched for"),
        policy === "warn" ? { obey: true } : { obey: false, reason: "unsigned-device" },
      );
      t.strictSame(await verdictOn("from the new identity's device", stranger), { obey: true });

      await bot.kill();
      await user.crossSign();
      bot = startBot(settings);
      await bot.report("ready");
      t.equal(changes().length, 1, "a change while it was down is found at the start");
    });
  }
});
