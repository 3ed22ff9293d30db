// SPDX-License-Identifier: Apache-2.0
// Kills the bot at any point, in an encrypted room on a real homeserver: each command is answered once and takes effect once,
// and the device stays the same.
import { randomInt } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import type { BotProcess } from "../../../scripts/local/bot-process.ts";
import { answersOnHomeserver } from "./answers-on-homeserver.ts";
import { type CommandKind, converse } from "./commands-of-alice.ts";
import { startInterruptingProxy } from "./interrupting-proxy.ts";
import { type CutPoint, FIRST_ANSWER, FIRST_STARTS, INVITED, randomKills, SWITCHES } from "./kill-points.ts";
import { type KilledStore, readKilledStore, setBack } from "./killed-store.ts";
import { createMessageKeys } from "./message-keys.ts";
import { type Scene, setScene } from "./scene.ts";
import { recordSpecChanges } from "./spec-changes.ts";

/** At random times; some come in pairs. */
const RANDOM_KILLS = 10;

/** What the homeserver and the user's client know of the bot's device. */
const deviceOf = async ({ alice, account, synapse }: Scene) => {
  const known = await alice.devicesOf(account.userId);
  return { ids: await synapse.devicesOf(account.userId), known, fingerprint: known[0]?.fingerprint };
};

t.test("a bot that is killed again and again", async (t) => {
  const scene = await setScene(t);
  if (scene === undefined) return;
  const { alice, account, storePath, stack, synapse } = scene;
  const seed = randomInt(2 ** 31);
  t.comment(`seed ${seed}`);
  const messageKeys = createMessageKeys();
  const matrix = await startInterruptingProxy(t, synapse.baseUrl, messageKeys.note);
  const api = await startInterruptingProxy(t, stack.urls.api);
  const kubeconfig = join(t.testdir({}), "kubeconfig");
  await writeFile(kubeconfig, (await readFile(stack.kubeconfig, "utf8")).replaceAll(stack.urls.api, api.url));
  const startBot = () => scene.bot({ MATRIX_HOMESERVER: matrix.url, KUBECONFIG: kubeconfig });

  await scene.deploy("web", 3);
  const { generation = 0 } = (await scene.toggle("web")).metadata;
  const changes = await recordSpecChanges(t, { apiUrl: stack.urls.api, namespace: "demo", name: "web" });
  let room = "";
  const talk = converse(scene, () => room);

  let kills = 0;
  const steps = new Map<string, number>();
  const done = new Set<string>();
  /** Kills it, and notes how far the commands were that were not done at the kill before. */
  const kill = async (bot: BotProcess, what: string): Promise<KilledStore> => {
    await bot.end("SIGKILL");
    kills += 1;
    const store = readKilledStore(storePath);
    const open = talk.commands.flatMap(({ id }) => {
      const step = store.stepOf(id) ?? "not taken";
      if (done.has(id)) return [];
      if (step === "done") done.add(id);
      return step === "done" ? [] : [step];
    });
    for (const step of new Set(open)) steps.set(step, (steps.get(step) ?? 0) + 1);
    t.comment(`killed ${what}${open.length === 0 ? "" : `: ${open.join(", ")}`}`);
    return store;
  };
  const killAt = async (bot: BotProcess, cut: CutPoint): Promise<KilledStore> => {
    const relay = cut.method === "PATCH" ? api : matrix;
    const late = sleep(60_000, "late", { ref: false });
    if ((await Promise.race([relay.cut(cut), late])) === "late") {
      throw new Error(`the bot did not come to “${cut.what}”:\n${bot.lines.slice(-9).join("\n")}`);
    }
    await sleep(cut.lingerMs);
    return kill(bot, cut.what);
  };
  const sendAll = async (kinds: readonly CommandKind[]): Promise<void> => {
    for (const each of kinds) await talk.send(each);
  };

  let fingerprint: string | undefined;
  for (const cut of FIRST_STARTS) {
    await killAt(await startBot(), cut);
    const device = await deviceOf(scene);
    t.ok(device.ids.length <= 1, "it has one device at most");
    if (fingerprint !== undefined) t.equal(device.fingerprint, fingerprint, "keys that were published stay");
    fingerprint = device.fingerprint;
  }
  let bot = await startBot();
  await bot.printed("device is signed by its identity");
  const inviting = alice.createRoom({ invite: [account.userId] });
  for (const cut of INVITED) {
    await killAt(bot, cut);
    bot = await startBot();
  }
  room = await inviting;
  await alice.seesMember(room, account.userId);

  const sendingFirst = sendAll(["start 2h", "no such", "stop"]);
  for (const cut of FIRST_ANSWER) {
    await killAt(bot, cut);
    bot = await startBot();
  }
  await sendingFirst;
  await talk.probe(60);
  const first = await deviceOf(scene);
  t.ok(first.known[0]?.signedByOwner, "the device is signed after its first whole start");
  t.equal(first.fingerprint, fingerprint, "keys that were published stay");

  /** Whatever is begun beside the kill is sent before the bot is there again, and the bot then reads and is read. */
  const restarted = async (sending: Promise<unknown>): Promise<void> => {
    await sending;
    bot = await startBot();
    await talk.probe(60);
  };
  let position: Uint8Array | undefined;
  for (const cut of SWITCHES) {
    const killed = killAt(bot, cut);
    const sending = sendAll(["start 2h", "no such", "stop"]);
    ({ position } = await killed);
    await restarted(sending);
  }
  await sendAll(["start 2h", "stop"]);
  await talk.probe(60);
  await kill(bot, "between the journal and the position of the sync");
  if (position === undefined) throw new Error("a bot that talks has a position");
  setBack(storePath, position);
  await restarted(Promise.resolve());

  for (const { kinds, afterMs, start } of randomKills(seed, RANDOM_KILLS)) {
    const sending = sendAll(kinds);
    await sleep(afterMs);
    await kill(bot, `${afterMs} ms after “${kinds[0]}” was sent`);
    await sending;
    if (start !== null) {
      await sendAll(["start 2h", "stop"]);
      const starting = await startBot();
      await starting.printed(start.stage);
      await sleep(start.afterMs);
      await kill(starting, `${start.afterMs} ms after “${start.stage}”`);
    }
    await restarted(sending);
  }
  await talk.allAnswered(60);
  const answer = await talk.lastAnswer("start");
  const shown = await alice.textBecomes(answer, "web is running: 3 desired, 3 ready, 3 available.");
  // Behind the last edit.
  await talk.probe(60);
  const undecryptable = await bot.metric("keyswitch_bot_undecryptable_total");
  const exitCode = await bot.end();
  const counts = `${talk.commands.length} commands, ${talk.answers().length} answers, ${changes.all.length} changes`;
  t.comment(`${kills} kills, ${counts}; kills with commands at each step: ${JSON.stringify([...steps])}`);
  t.ok(kills >= 20 && shown !== "", "it was killed 20 times and more");

  t.test("each command that switches took effect once, in order", async (t) => {
    t.equal(changes.fault(), undefined, "all changes were recorded");
    t.equal(changes.all[0]?.generation, generation + 1);
    const wanted = talk.commands.flatMap(({ marker, kind }) =>
      kind === "start" || kind === "start 2h" || kind === "stop" ? [marker] : [],
    );
    t.same(
      changes.all.map(({ reason }) => reason),
      wanted,
    );
  });

  t.test("each command has one answer, and nothing else was said", async (t) => {
    const store = readKilledStore(storePath);
    const open = talk.commands.filter(({ id }) => !["done", "answered"].includes(store.stepOf(id) ?? ""));
    t.same(open, [], "nothing but edits is left in the journal");
    const own = await answersOnHomeserver(synapse.baseUrl, room, store.accessToken ?? "");
    t.equal(talk.answers().length, talk.commands.length);
    const seen = talk.answers().map(({ id }) => id);
    t.same([...own.answers].sort(), seen.sort(), "the user's client shows these answers, and no others");
    const wrong = talk.commands.filter(({ id }) => own.answersTo(id) !== 1);
    t.same(wrong, [], "each command has its answer");
    t.same(own.others, [], "there are answers and their edits only");
    const notRun = talk.ofBot().filter(({ text = "" }) => /not run|interrupted|decrypt|reach/.test(text));
    t.same(notRun, [], "all were run");
  });

  t.test("all can be read, on both sides", async (t) => {
    const unread = talk.ofBot().filter(({ failure, encrypted }) => failure !== undefined || !encrypted);
    t.same(unread, []);
    t.equal(undecryptable, 0);
    t.same(messageKeys.usedTwice(), [], "no key of the ratchet has encrypted two messages");
    t.ok(messageKeys.count() >= talk.commands.length);
  });

  t.test("the bot has the device that it had, signed, and ends cleanly", async (t) => {
    const { ids, known, fingerprint } = await deviceOf(scene);
    t.equal(ids.length, 1);
    t.same(ids, first.ids);
    t.equal(known.length, 1);
    t.equal(fingerprint, first.fingerprint);
    t.ok(known[0]?.signedByOwner);
    t.notOk(await alice.identityChanged(account.userId), "its identity is the one that it had");
    t.equal(exitCode, 0);
  });
});
