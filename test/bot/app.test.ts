// SPDX-License-Identifier: Apache-2.0
// Tests the bot's probes: alive by the last sync, ready by sync and watch, each with the reason; and the access to its metrics.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { ALIVE_WITHIN_MS, buildBotApp, READY_WITHIN_MS } from "../../server/bot/app.ts";
import type { AccountCheck, DeviceTrust } from "../../server/bot/chat.ts";
import type { AuthOptions } from "../../server/http/auth.ts";
import { recordedLog } from "../http/recorded-log.ts";

/** A bot whose clock, last sync and watch a test sets. The process started at 5 s of a clock that does not begin at 0. */
const bot = (t: Test, auth?: AuthOptions) => {
  const state: {
    now: number;
    lastSyncAt?: number;
    watch?: { ok: boolean; message?: string };
    device?: DeviceTrust;
    account?: AccountCheck[];
  } = { now: 5000 };
  const app = buildBotApp({
    logger: recordedLog().logger,
    registry: new Registry(),
    auth: auth ?? { tokenFiles: [], clientCertificates: false, loopback: true },
    lastSyncAt: () => state.lastSyncAt,
    toggles: () => {
      const { watch } = state;
      return watch && { state: () => watch };
    },
    device: () => state.device,
    account: () => state.account ?? [],
    now: () => state.now,
  });
  t.teardown(() => app.close());
  const ask = async (path: string) => {
    const answer = await app.inject(path);
    return { status: answer.statusCode, body: answer.json() };
  };
  return { app, state, ask };
};

t.test("20 retries of a lost connection fit into what the bot is thought alive for", async (t) => {
  const pauses = Array.from({ length: 20 }, (_, n) => Math.min(60, 2 ** (n + 1)));
  t.ok(ALIVE_WITHIN_MS > pauses.reduce((sum, pause) => sum + pause) * 1000);
});

t.test("before the first sync the bot is alive for a while, and not ready", async (t) => {
  const { state, ask } = bot(t);
  state.now += ALIVE_WITHIN_MS;
  t.match(await ask("/healthz"), {
    status: 200,
    body: { status: "alive", checks: [{ name: "sync", ok: true }] },
  });
  t.same(await ask("/readyz"), {
    status: 503,
    body: {
      status: "not ready",
      code: "NOT_READY",
      message: "Not ready; checks say why.",
      checks: [
        { name: "sync", ok: false, required: true, message: "no sync with the homeserver yet" },
        { name: "toggles", ok: false, required: true, message: "the watch was not started yet" },
      ],
    },
  });
  state.now += 1;
  t.same(await ask("/healthz"), {
    status: 503,
    body: {
      status: "not alive",
      code: "NOT_ALIVE",
      message: "Nothing has succeeded for long; checks say what. A restart may help.",
      checks: [{ name: "sync", ok: false, required: true, message: "no sync with the homeserver yet" }],
    },
  });
});

t.test("a bot that syncs and watches is alive and ready", async (t) => {
  const { state, ask } = bot(t);
  state.now += 2 * ALIVE_WITHIN_MS;
  state.lastSyncAt = state.now - READY_WITHIN_MS;
  state.watch = { ok: true };
  t.match(await ask("/healthz"), { status: 200 });
  t.same(await ask("/readyz"), {
    status: 200,
    body: {
      status: "ready",
      checks: [
        { name: "sync", ok: true, required: true },
        { name: "toggles", ok: true, required: true },
      ],
    },
  });
});

t.test(
  "without a homeserver it is soon not ready, much later not alive, and both again after a sync",
  async (t) => {
    const { state, ask } = bot(t);
    state.watch = { ok: true };
    state.lastSyncAt = state.now;
    state.now += READY_WITHIN_MS + 1000;
    t.match(await ask("/readyz"), {
      status: 503,
      body: {
        checks: [
          { name: "sync", ok: false, message: "the last sync with the homeserver was 121 s ago" },
          { ok: true },
        ],
      },
    });
    t.match(await ask("/healthz"), { status: 200 });
    state.now = state.lastSyncAt + ALIVE_WITHIN_MS + 1;
    t.match(await ask("/healthz"), { status: 503, body: { checks: [{ message: /1200 s ago$/ }] } });
    state.lastSyncAt = state.now;
    t.match(await ask("/healthz"), { status: 200 });
    t.match(await ask("/readyz"), { status: 200 });
  },
);

t.test("without the API server it is not ready, and alive: a restart would not help", async (t) => {
  const { state, ask } = bot(t);
  state.lastSyncAt = state.now;
  state.watch = { ok: false, message: "the API server does not answer" };
  t.match(await ask("/readyz"), {
    status: 503,
    body: {
      checks: [{ ok: true }, { name: "toggles", ok: false, message: "the API server does not answer" }],
    },
  });
  t.match(await ask("/healthz"), { status: 200 });
});

t.test("a device that is not signed is told, and the bot is ready all the same", async (t) => {
  const { state, ask } = bot(t);
  state.lastSyncAt = state.now;
  state.watch = { ok: true };
  state.device = { isSigned: false, message: "it is not signed" };
  t.match(await ask("/readyz"), {
    status: 200,
    body: { checks: [{}, {}, { name: "device", ok: false, required: false, message: "it is not signed" }] },
  });
  state.device = { isSigned: true };
  t.same((await ask("/readyz")).body.checks[2], { name: "device", ok: true, required: false });
});

t.test("probes are open, metrics need the token", async (t) => {
  const bearerToken = randomBytes(20).toString("hex");
  const path = join(t.testdir({ token: bearerToken }), "token");
  const { app } = bot(t, {
    tokenFiles: [{ variable: "METRICS_TOKEN_FILE", path, scopes: ["metrics"] }],
    clientCertificates: false,
    loopback: false,
  });
  t.equal((await app.inject("/healthz")).statusCode, 200);
  t.equal((await app.inject("/readyz")).statusCode, 503);
  t.equal((await app.inject("/metrics")).statusCode, 401);
  const metrics = await app.inject({ url: "/metrics", headers: { authorization: `Bearer ${bearerToken}` } });
  t.equal(metrics.statusCode, 200);
});

t.test("what is wrong with the bot's account is told, and makes nothing unready", async (t) => {
  const { state, ask } = bot(t);
  state.lastSyncAt = state.now;
  state.watch = { ok: true };
  state.account = [
    { problem: "no-backup", count: 0 },
    { problem: "old-devices", count: 2, message: "two" },
  ];
  const { status, body } = await ask("/readyz");
  t.equal(status, 200);
  t.same(body.checks.slice(2), [
    { name: "backup", ok: true, required: false },
    { name: "old-devices", ok: false, required: false, message: "two" },
  ]);
});
