// SPDX-License-Identifier: Apache-2.0
// Tests a minute without the homeserver, and a minute without the API server: the bot reports it, and recovers by itself.
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import type { SeenEvent } from "../../../scripts/homeserver/client/seen-events.ts";
import type { BotProcess } from "../../../scripts/local/bot-process.ts";
import { eventually } from "../../../scripts/local/eventually.ts";
import { startTcpProxy } from "../../doubles/tcp-proxy.ts";
import { type Scene, setScene } from "./scene.ts";

const MINUTE_MS = 60_000;
/** A homeserver that is to be there when the minute is over is started by then. */
const START_AFTER_MS = 45_000;
const CANT_REACH = /^I can't reach the cluster right now, and I won't try again by myself\./;

/** Waits for a line of the log: it may come later than what a probe or metric says. */
const logs = (bot: BotProcess, text: string | RegExp): Promise<true> =>
  eventually(`a line with ${text}`, async () => bot.lines.some((line) => line.match(text)) || undefined, {
    // The start of three processes at once, on a machine that has other work.
    seconds: 60,
    seen: () => bot.lines.slice(-3).join("\n"),
  });

/** Sends a command, and answers with the first answer once it has become `text`. */
const asks = async (
  { alice }: Scene,
  { room, command, bot }: { room: string; command: string; bot: string },
  text: string | RegExp,
): Promise<SeenEvent> => {
  await alice.sendText(room, command);
  const answer = await alice.nextMessage({ room, from: bot });
  await alice.textBecomes(answer.id, text);
  return answer;
};

const roomWith = async ({ alice }: Scene, user: string): Promise<string> => {
  const room = await alice.createRoom({ invite: [user] });
  await alice.seesMember(room, user, "join", 60);
  return room;
};

/** Until the minute since `begun` is over; meanwhile the probes have to be what they should be. */
const restOfMinute = async (t: Test, bot: BotProcess, begun: number, ready: number): Promise<void> => {
  const wrong: unknown[] = [];
  for (;;) {
    const [health, readiness] = [await bot.probe("/healthz"), await bot.probe("/readyz")];
    if (health.status !== 200 || readiness.status !== ready) wrong.push(health, readiness);
    const left = begun + MINUTE_MS - performance.now();
    if (left <= 0) break;
    await sleep(Math.min(1000, left));
  }
  t.same(wrong, [], `all the minute /healthz is 200 and /readyz ${ready}`);
};

/** Resolves with the seconds that it took. */
const secondsUntil = async (what: string, check: () => Promise<boolean>): Promise<string> => {
  const begun = performance.now();
  await eventually(what, check, { seconds: 90 });
  return ((performance.now() - begun) / 1000).toFixed(1);
};

const SYNCED = 'keyswitch_bot_syncs_total{outcome="ok"}';
const NOT_SYNCED = 'keyswitch_bot_syncs_total{outcome="unreachable"}';
const RECONNECTS = "keyswitch_bot_reconnects_total";
const WATCHED = "keyswitch_bot_toggles_watch_up";

/**
 * The homeserver goes in the way of `signal`; `meanwhile` runs in the minute, and what it answers after it. The bot reaches
 * it through a proxy that opens when the minute is over, however long the homeserver took to start.
 */
const homeserverAway = async (
  t: Test,
  scene: Scene,
  signal: "SIGKILL" | "SIGTERM",
  meanwhile: (homeserver: string) => Promise<() => Promise<void>> = async () => async () => {},
): Promise<void> => {
  const { synapse, alice, account, stack } = scene;
  const toggle = signal.toLowerCase();
  await scene.deploy(toggle, 2);
  const proxy = await startTcpProxy(t, synapse.baseUrl);
  const bot = await scene.bot({ KUBECONFIG: stack.kubeconfig, MATRIX_HOMESERVER: proxy.url });
  await bot.ready();
  const room = await roomWith(scene, account.userId);
  const ask = (command: string, text: string | RegExp) =>
    asks(scene, { room, command, bot: account.userId }, text);
  await ask(`status ${toggle}`, /is running: 2 desired/);

  await synapse.stop(signal);
  await proxy.shut();
  const begun = performance.now();
  const restarted = sleep(START_AFTER_MS).then(() => synapse.start());
  await t.rejects(alice.sendText(room, `stop ${toggle}`));
  const afterwards = await meanwhile(proxy.url);
  await logs(bot, /"the homeserver [^"]+; trying again"/);
  await restOfMinute(t, bot, begun, 200);
  const [synced, failed] = [await bot.metric(SYNCED), await bot.metric(NOT_SYNCED)];
  t.ok(failed >= 4, `${failed} syncs failed`);
  t.equal(await bot.metric(RECONNECTS), 0);

  await restarted;
  await proxy.open();
  const seconds = await secondsUntil("a sync", async () => (await bot.metric(SYNCED)) > synced);
  t.comment(`${signal}: synced ${seconds} s after the homeserver was there again`);
  t.equal(await bot.metric(RECONNECTS), 1);
  t.ok(await logs(bot, "the homeserver is there again"));
  await ask(`stop ${toggle}`, /is off: 0 desired/);
  t.equal(await scene.replicas(toggle), 0);
  t.match(await bot.probe("/readyz"), { status: 200 });
  t.equal((await synapse.devicesOf(account.userId)).length, 1);
  await afterwards();
  t.equal(await bot.end(), 0, "the process is the one that it was");
};

/** Bots that are started when there is neither a homeserver nor an API server. */
const startedInTheDark = (t: Test, scene: Scene) => {
  const { synapse, apiGate, storePath } = scene;
  const registered = synapse.registerUser("late");
  return async (homeserver: string) => {
    const { userId, password } = await registered;
    const start = (store: string) =>
      scene.bot({
        MATRIX_HOMESERVER: homeserver,
        MATRIX_USER: userId,
        MATRIX_PASSWORD: password,
        CRYPTO_STORE_PATH: store,
      });
    await apiGate.shut();
    const [late, ended] = [await start(`${storePath}-late`), await start(`${storePath}-ended`)];
    for (const bot of [late, ended]) await logs(bot, "not connected; trying again");
    t.match(await late.probe("/healthz"), { status: 200 });
    t.match(await late.probe("/readyz"), { status: 503, body: /no sync with the homeserver yet/ });
    const told = performance.now();
    t.equal(await ended.end(), 0, "SIGTERM ends it at once");
    t.ok(performance.now() - told < 7000, "and not after a pause or a timeout");
    return async () => {
      await apiGate.open();
      t.comment(`in the dark: ready after ${await secondsUntil("it is ready", () => isReady(late))} s`);
      t.equal(await late.metric(WATCHED), 1);
      const room = await roomWith(scene, userId);
      await asks(scene, { room, command: "status sigkill", bot: userId }, /sigkill is off/);
      t.equal(await late.end(), 0);
    };
  };
};

const isReady = async (bot: BotProcess): Promise<boolean> => (await bot.probe("/readyz")).status === 200;

const apiServerAway = async (t: Test, scene: Scene): Promise<void> => {
  const { alice, account, stack, apiGate } = scene;
  await scene.deploy("api", 3);
  const bot = await scene.bot();
  await bot.ready();
  const room = await roomWith(scene, account.userId);
  const ask = (command: string, text: string | RegExp) =>
    asks(scene, { room, command, bot: account.userId }, text);
  await ask("status api", /^api is running: 3 desired/);
  t.equal(await bot.metric(WATCHED), 1);

  await apiGate.shut();
  const begun = performance.now();
  for (const command of ["stop api", "status api", "status", "list"]) {
    const asked = performance.now();
    await ask(command, CANT_REACH);
    t.ok(performance.now() - asked < 25_000, `${command}: answered within seconds`);
  }
  await ask("help", /stop/);
  t.equal(await bot.metric(WATCHED), 0);
  t.ok(await logs(bot, "Toggles are not watched"));
  t.ok((await bot.metric('keyswitch_bot_commands_total{verb="stop",outcome="unavailable"}')) === 1);
  await stack.kubectl(["scale", "-n", "demo", "toggle/api", "--replicas=2"]);
  const { metadata } = await scene.toggle("api");
  await restOfMinute(t, bot, begun, 503);

  await apiGate.open();
  const seconds = await secondsUntil("the watch is up", async () => (await bot.metric(WATCHED)) === 1);
  t.comment(`the API server: watched ${seconds} s after it was there again`);
  t.ok(await logs(bot, /"secondsDown":\d{2,},"msg":"Toggles are watched"/));
  t.ok(await isReady(bot));
  await ask("status", /api is running: 2 desired, 2 ready/);
  const { metadata: now, spec } = await scene.toggle("api");
  t.equal(now.generation, metadata.generation, "the command of then was not run later");
  t.notOk(spec.requestedBy);
  const answer = await ask("stop api", "api is off: 0 desired, 0 ready, 0 available.");
  t.same(
    alice.textsOf(answer.id).filter((text) => CANT_REACH.test(text)),
    [],
  );

  apiGate.hang();
  // What goes over a connection that hangs is not answered; the next command has another one.
  await alice.sendText(room, "start api");
  let started = await alice.nextMessage({ room, from: account.userId });
  if (CANT_REACH.test(started.text ?? "")) {
    await alice.sendText(room, "start api");
    started = await alice.nextMessage({ room, from: account.userId });
  }
  // Only the watch knows of that, and it is one of those that hang.
  await alice.textBecomes(started.id, /^api is running: 2 desired, 2 ready/);
  t.equal(await bot.metric(WATCHED), 1);
  t.equal(await bot.end(), 0, "the process is the one that it was");
};

t.test("a minute's outage", async (t) => {
  const killed = await setScene(t);
  if (killed === undefined) return;
  const { stack } = killed;
  const [stopped, cut] = [await setScene(t, { stack }), await setScene(t, { stack })];
  if (stopped === undefined || cut === undefined) return;
  t.jobs = 3;
  t.test("the homeserver is killed, and bots are started while it is away", { buffered: true }, (t) =>
    homeserverAway(t, killed, "SIGKILL", startedInTheDark(t, killed)),
  );
  t.test("the homeserver is stopped in order", { buffered: true }, (t) =>
    homeserverAway(t, stopped, "SIGTERM"),
  );
  t.test("the API server can't be reached, and then its connections hang", { buffered: true }, (t) =>
    apiServerAway(t, cut),
  );
});
