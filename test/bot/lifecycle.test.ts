// SPDX-License-Identifier: Apache-2.0
// Tests a shutdown in the middle of the bot's start with Matrix: nothing begins after it.
import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { Registry } from "prom-client";
import t from "tap";
import { createAccess } from "../../server/bot/access.ts";
import { openJournal } from "../../server/bot/journal.ts";
import { startLifecycle } from "../../server/bot/lifecycle.ts";
import { createBotMetrics } from "../../server/bot/metrics.ts";
import { openBotStore } from "../../server/bot/store.ts";
import type { WatchedToggles } from "../../server/kubernetes/toggles.ts";
import { loadCryptoEngine } from "../../server/matrix/crypto/engine.ts";
import { createMatrixHttp } from "../../server/matrix/http.ts";
import type { HttpExchange } from "../../server/matrix/http-exchange.ts";
import { connectOn } from "../../server/matrix/network.ts";
import { wallClock } from "../../server/time.ts";
import { botConfigIn } from "./bot-config.ts";

const USER = "@bot:example.org";
const ALICE = "@alice:example.org";

/** API server that never answers: the first list of Toggles does not come. */
const toggles = (asked: string[]): WatchedToggles => ({
  namespace: "demo",
  list: () => [],
  find: () => undefined,
  async get(name) {
    asked.push(`get ${name}`);
    return { ok: false, why: "unavailable" };
  },
  async patch(name) {
    asked.push(`patch ${name}`);
    return { ok: false, why: "unavailable" };
  },
  subscribe: () => () => {},
  state: () => ({ ok: false }),
  close: async () => {},
  listed: new Promise(() => {}),
});

t.test("a signal while it waits for the Toggles: no command begins, and no sync", async (t) => {
  const engine = await loadCryptoEngine("wasm");
  if (!engine.ok) throw new Error(engine.fault);
  const folder = t.testdir();
  const password = randomBytes(12).toString("hex");
  const config = botConfigIn(folder, { user: USER, password, allowed: ALICE });
  const asked: string[] = [];
  const exchange: HttpExchange = {
    async send({ url }) {
      asked.push(url.pathname);
      // What each of the requests is answered with, in one.
      const counts = { one_time_key_counts: { signed_curve25519: 50 } };
      const body = { user_id: USER, device_id: "D", access_token: "T", ...counts };
      return { ok: true, status: 200, headers: {}, body: Buffer.from(JSON.stringify(body)) };
    },
    close: async () => {},
  };
  const store = openBotStore(folder);
  // A command of before the restart, which would run at once.
  const at = Date.now();
  const step = { state: "accepted", command: { verb: "stop", toggle: "web" } } as const;
  openJournal({ store, maxAgeMs: 120_000 }).add("$1", {
    ...{ at, sentAt: at, room: "!room:example.org", sender: ALICE, verb: "stop" },
    step,
  });
  const logged: string[] = [];
  const closing = new AbortController();
  const waiting = Promise.withResolvers<void>();
  const logger = pino({ level: "warn" }, { write: (line) => void logged.push(line) });
  const http = createMatrixHttp({ homeserver: config.matrix.homeserver, exchange });
  const life = startLifecycle({
    config,
    store,
    network: { connect: connectOn({ config, engine, http, exchange, logger, recoveryKey: undefined }) },
    toggles: toggles(asked),
    access: createAccess([ALICE]),
    metrics: createBotMetrics(new Registry()),
    logger,
    clock: wallClock,
    now: () => performance.now(),
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        waiting.resolve();
        signal.addEventListener("abort", () => resolve());
      }),
    signal: closing.signal,
    onDeviceTrust: () => {},
    onAccountCheck: () => {},
    onSynced: () => {},
    onEnded: (reason) => asked.push(`ended: ${reason}`),
  });
  await waiting.promise;
  const before = [...asked];
  closing.abort();
  await life.close();
  t.same(asked, before, "nothing is asked of anybody after the signal");
  t.match(openJournal({ store, maxAgeMs: 120_000 }).get("$1"), { step }, "the command is as it was");
  store.close();
  t.same(logged, []);
});
