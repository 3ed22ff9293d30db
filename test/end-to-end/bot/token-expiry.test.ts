// SPDX-License-Identifier: Apache-2.0
// Tests the bot's session on a real homeserver: an access token that expires, a device that is deleted, a log-in that is
// refused.
import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import type { Homeserver } from "../../../scripts/homeserver/synapse.ts";
import { eventually } from "../../../scripts/local/eventually.ts";
import { openBotStore } from "../../../server/bot/store.ts";
import { startHttpProxy, statusOf } from "../../doubles/http-proxy.ts";
import { setScene } from "./scene.ts";

const SESSION_MS = 8000;

/** Access tokens that are given from now on expire; those that were given before do not. */
const expireNewTokens = async (synapse: Homeserver): Promise<void> => {
  await synapse.stop();
  const file = join(dirname(synapse.logFile), "homeserver.yaml");
  const config: unknown = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify(Object.assign({ session_lifetime: SESSION_MS }, config)));
  await synapse.start();
};

const newToken = () => randomBytes(16).toString("hex");

/** An API server that takes one token, which is in a file, and can be replaced there. */
const withTokenFile = async (t: Test, api: string) => {
  const proxy = await startHttpProxy(t, api);
  const folder = t.testdir();
  const [kubeconfig, tokenFile] = [join(folder, "kubeconfig"), join(folder, "token")];
  let bearerToken = "";
  const replace = () => {
    bearerToken = newToken();
    // As the kubelet does it: at once, and not in the middle.
    writeFileSync(`${tokenFile}.new`, bearerToken);
    renameSync(`${tokenFile}.new`, tokenFile);
    return bearerToken;
  };
  replace();
  proxy.answer = ({ headers }) =>
    headers.authorization === `Bearer ${bearerToken}` ? undefined : statusOf(401, "Unauthorized");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "local", cluster: { server: proxy.url } }],
    users: [{ name: "bot", user: { tokenFile } }],
    contexts: [{ name: "bot", context: { cluster: "local", user: "bot" } }],
    "current-context": "bot",
  };
  writeFileSync(kubeconfig, JSON.stringify(config));
  const patchesWith = (used: string) =>
    proxy.seen.filter(
      ({ method, headers }) => method === "PATCH" && headers.authorization === `Bearer ${used}`,
    ).length;
  return { kubeconfig, replace, patchesWith };
};

t.test("the bot's session", async (t) => {
  const scene = await setScene(t);
  if (scene === undefined) return;
  const { synapse, alice, account, storePath } = scene;
  const user = account.userId;
  /** Registering makes one. */
  const others = await synapse.devicesOf(user);
  const ownDevices = async () => (await synapse.devicesOf(user)).filter((id) => !others.includes(id));
  const masterKey = async () => (await alice.client.downloadKeysForUsers([user])).master_keys?.[user]?.keys;
  await expireNewTokens(synapse);
  await scene.deploy("web", 3);
  const api = await withTokenFile(t, scene.stack.urls.api);
  const bot = await scene.bot({ KUBECONFIG: api.kubeconfig });
  await bot.ready();
  const room = await alice.createRoom({ invite: [user] });
  await alice.seesMember(room, user);
  const asks = async (command: string, text: RegExp) => {
    await alice.sendText(room, command);
    const answer = await alice.nextMessage({ room, from: user });
    await alice.textBecomes(answer.id, text);
  };
  await asks("status", /^web is running/);
  const [device, ...none] = await alice.devicesOf(user);
  t.same(none, []);
  const identity = await masterKey();
  t.ok(identity);

  await t.test("a token that expires is replaced, and every command is answered", async (t) => {
    const renewals = () => bot.metric("keyswitch_bot_session_renewals_total");
    let asked = 0;
    for (; (await renewals()) < 2; asked += 1) {
      await asks(asked % 2 === 0 ? "stop" : "start", asked % 2 === 0 ? /^web is off/ : /^web is running/);
      await sleep(500);
      if (asked > 100) throw new Error("the token does not expire");
    }
    const logIns = () => bot.metric('keyswitch_bot_logins_total{method="password",outcome="ok"}');
    const told = async () => {
      const lines = bot.lines.filter((line) => line.includes("the session was renewed"));
      return { lines, renewals: await renewals(), logIns: await logIns() };
    };
    // Another renewal may come at any time; between two of them the three are at rest.
    const said = await eventually(
      "the log says so, and the log-ins are the first one and the renewals",
      async () => {
        const now = await told();
        return now.lines.length === now.renewals && now.logIns === now.renewals + 1 && now.lines;
      },
    );
    t.match(said, [/"origin":"renewed"/]);
    t.equal(await bot.metric("keyswitch_bot_undecryptable_total"), 0);
    t.same(await alice.devicesOf(user), [device], "the device and its fingerprint are the same");
    t.same(await ownDevices(), [device?.id]);
    t.match(await bot.probe("/readyz"), { status: 200 });
  });

  await t.test("the API server's token is replaced in its file: the next command uses it", async (t) => {
    await asks("stop", /^web is off/);
    const bearerToken = api.replace();
    await asks("start", /^web is running/);
    t.equal(api.patchesWith(bearerToken), 1);
    t.equal(await bot.metric("keyswitch_bot_toggles_watch_up"), 1);
    t.notOk(bot.lines.join("\n").includes(bearerToken));
  });

  await t.test("a second bot on the same store is refused", async (t) => {
    const second = await scene.bot();
    t.equal(await second.exited, 1);
    t.match(second.lines.join("\n"), /the start failed: .*keyswitch\.db is in use by another bot/);
    await asks("status", /^web is/);
  });

  await t.test("a device that an administrator deletes: the bot ends and says why", async (t) => {
    await synapse.admin("DELETE", `v2/users/${encodeURIComponent(user)}/devices/${device?.id}`);
    // Its sync waits for news.
    const content = { msgtype: "m.notice", body: "news" };
    await alice.sendUnencrypted(room, { type: "m.room.message", content });
    t.equal(await bot.exited, 1);
    const why =
      "keyswitch bot: the homeserver has ended the bot's device; the next start goes on with a new one";
    t.ok(bot.lines.includes(why), bot.lines.slice(-5).join("\n"));
    const store = openBotStore(storePath);
    try {
      t.same([...store.entries("indexeddb")], [], "nothing of the former device is left");
      t.not([...store.entries("cross-signing")].length, 0, "the identity's keys are kept");
    } finally {
      store.close();
    }
  });

  await t.test("the next one has another device, of the same identity, in the same room", async (t) => {
    const next = await scene.bot();
    await next.ready();
    await eventually("the new device is signed", async () =>
      next.lines.some((line) => line.includes("the bot's device is signed by its identity")),
    );
    const [now, ...none] = await alice.devicesOf(user);
    t.same(none, []);
    t.not(now?.id, device?.id);
    t.not(now?.fingerprint, device?.fingerprint);
    t.ok(now?.signedByOwner);
    t.same(await ownDevices(), [now?.id]);
    t.same(await masterKey(), identity);
    t.notOk(await alice.identityChanged(user));
    await asks("stop", /^web is off/);
    t.equal(await next.metric("keyswitch_bot_undecryptable_total"), 0);
    t.equal(await next.end(), 0);
  });

  await t.test(
    "a log-in that is refused ends the start, with the reason and without the secret",
    async (t) => {
      const wrong = randomBytes(12).toString("hex");
      const refused = await scene.bot({ MATRIX_PASSWORD: wrong, CRYPTO_STORE_PATH: `${storePath}-refused` });
      t.equal(await refused.exited, 1);
      const said = refused.lines.join("\n");
      t.match(
        said,
        "keyswitch bot: The homeserver refused the user name or the password. Check MATRIX_USER and ",
      );
      t.notOk(said.includes(wrong));
    },
  );

  t.notOk(bot.lines.join("\n").includes(account.password));
});
