// SPDX-License-Identifier: Apache-2.0
// Tests the bot's connection at its start with a simulated homeserver: when it retries, when it gives up, and what the store
// keeps of a deleted device.
import { randomBytes } from "node:crypto";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { pino } from "pino";
import t, { type Test } from "tap";
import { openBotStore } from "../../server/bot/store.ts";
import type { EndReason } from "../../server/matrix/connect.ts";
import { type Connected, connectWithRetries } from "../../server/matrix/connect-with-retries.ts";
import { loadCryptoEngine } from "../../server/matrix/crypto/engine.ts";
import { createMatrixHttp } from "../../server/matrix/http.ts";
import type { HttpExchange, HttpFailure, HttpRequest } from "../../server/matrix/http-exchange.ts";
import { botConfigIn } from "../bot/bot-config.ts";

const USER = "@bot:example.org";
const PASSWORD = randomBytes(12).toString("hex");
const AWAY: HttpFailure = { ok: false, kind: "unreachable", what: "refused the connection" };

const LogIn = Type.Object({ device_id: Type.String() });

type Reply = { status: number; body: unknown } | HttpFailure;
/** Answers in place of the homeserver; undefined: as a good one would. */
type Mood = (path: string, count: number) => Reply | "hangs" | undefined;

const engine = await loadCryptoEngine("wasm");
if (!engine.ok) throw new Error(engine.fault);

/** A homeserver of one account, whose log-ins make the devices D1, D2 … or go on with the one that is asked for. */
const homeserver = (mood: Mood) => {
  const asked: string[] = [];
  /** Tokens that are accepted, with their device. */
  const tokens = new Map<string, string>();
  const good = ({ method, url, headers, body }: HttpRequest): Reply => {
    const path = `${method} ${url.pathname.replace("/_matrix/client/v3/", "")}`;
    if (path === "POST login") {
      const login: unknown = JSON.parse(String(body));
      if (!Value.Check(LogIn, login)) return { status: 400, body: { errcode: "M_BAD_JSON", error: "" } };
      const { device_id: device } = login;
      const token = `token-${asked.length}`;
      tokens.set(token, device);
      return { status: 200, body: { user_id: USER, device_id: device, access_token: token } };
    }
    const device = tokens.get(
      (headers?.authorization ?? headers?.Authorization ?? "").replace("Bearer ", ""),
    );
    if (device === undefined) return { status: 401, body: { errcode: "M_UNKNOWN_TOKEN", error: "" } };
    if (path === "GET account/whoami") return { status: 200, body: { user_id: USER, device_id: device } };
    if (path === "POST keys/upload")
      return { status: 200, body: { one_time_key_counts: { signed_curve25519: 50 } } };
    return { status: 200, body: {} };
  };
  const exchange: HttpExchange = {
    async send(request) {
      const path = request.url.pathname.replace("/_matrix/client/v3/", "");
      asked.push(path);
      const reply = mood(path, asked.filter((other) => other === path).length) ?? good(request);
      if (reply === "hangs") {
        const { promise, resolve } = Promise.withResolvers<void>();
        request.signal?.addEventListener("abort", () => resolve());
        await promise;
        return { ok: false, kind: "aborted", what: "was not waited for" };
      }
      if ("ok" in reply) return reply;
      return { ok: true, headers: {}, status: reply.status, body: Buffer.from(JSON.stringify(reply.body)) };
    },
    close: async () => {},
  };
  return { asked, tokens, exchange };
};

const joinWith = async (
  t: Test,
  mood: Mood,
  { abortIn, ending = new AbortController() }: { abortIn?: number; ending?: AbortController } = {},
) => {
  const folder = t.testdir();
  const config = botConfigIn(folder, { user: USER, password: PASSWORD, allowed: "@alice:example.org" });
  const server = homeserver(mood);
  const store = openBotStore(folder);
  t.teardown(() => store.close());
  const sleeps: number[] = [];
  const logins: string[] = [];
  const ends: EndReason[] = [];
  const logged: string[] = [];
  const logger = pino({ level: "debug" }, { write: (line) => void logged.push(line) });
  if (abortIn === 0) ending.abort();
  const result = await connectWithRetries({
    config,
    store,
    engine,
    http: createMatrixHttp({ homeserver: config.matrix.homeserver, exchange: server.exchange }),
    exchange: server.exchange,
    logger,
    onLogIn: (method, outcome) => logins.push(`${method} ${outcome}`),
    async sleep(ms) {
      sleeps.push(ms);
      if (sleeps.length === abortIn) ending.abort();
    },
    signal: ending.signal,
    onIdentityChange: () => {},
    connection: {
      mayTalk: () => false,
      handlers: {
        onMessage: () => {},
        onPlainText: () => {},
        onUndecryptable: () => {},
        onUnreadGap: () => {},
        onRefused: () => {},
        onRefresh: () => {},
        onLeft: () => {},
      },
      now: () => performance.now(),
      onEnd: (reason) => ends.push(reason),
    },
  });
  const close = async ({ connection, encryption }: Connected): Promise<void> => {
    await connection.close();
    await encryption.close();
  };
  return { ...server, result, store, sleeps: [...sleeps], logins, ends, logged, close };
};

const joined = (result: Awaited<ReturnType<typeof connectWithRetries>>): Connected => {
  if (result?.ok !== true) throw new Error(`not joined: ${result?.reason}`);
  return result;
};

t.test("with a homeserver that answers it joins at once", async (t) => {
  const { result, sleeps, logins, close } = await joinWith(t, () => undefined);
  const { connection } = joined(result);
  t.equal(connection.userId, USER);
  t.same(sleeps, []);
  t.same(logins, ["password ok"]);
  await close(joined(result));
});

t.test("a homeserver that is away is tried again, with pauses that double", async (t) => {
  const { result, sleeps, logins, logged, close } = await joinWith(t, (path, count) =>
    path === "login" && count <= 3 ? AWAY : undefined,
  );
  await close(joined(result));
  t.same(sleeps, [1000, 2000, 4000]);
  t.same(logins, ["password matrix", "password matrix", "password matrix", "password ok"]);
  t.equal(logged.filter((line) => line.includes("not connected; trying again")).length, 3);
  t.notMatch(logged.join(""), PASSWORD);
});

t.test("a homeserver that asks for a longer pause gets it", async (t) => {
  const { result, sleeps, close } = await joinWith(t, (path, count) =>
    path === "login" && count === 1
      ? { status: 429, body: { errcode: "M_LIMIT_EXCEEDED", error: "", retry_after_ms: 7000 } }
      : undefined,
  );
  await close(joined(result));
  t.same(sleeps, [7000]);
});

t.test("one that fails after the log-in is tried again with the same session", async (t) => {
  const { result, sleeps, logins, tokens, close } = await joinWith(t, (path, count) =>
    path === "account/whoami" && count === 1 ? { status: 502, body: "no homeserver here" } : undefined,
  );
  await close(joined(result));
  t.same(sleeps, [1000]);
  t.same(logins, ["password ok"]);
  t.equal(tokens.size, 1);
});

t.test("a refused log-in ends it at once, with what to do", async (t) => {
  const { result, sleeps, logins, asked } = await joinWith(t, (path) =>
    path === "login" ? { status: 403, body: { errcode: "M_FORBIDDEN", error: "" } } : undefined,
  );
  t.match(result, { ok: false, reason: /refused the user name or the password. Check MATRIX_USER and / });
  t.same(sleeps, []);
  t.same(logins, ["password matrix"]);
  t.same(asked, ["login"]);
});

t.test("after twenty retries it gives up, and says what to check", async (t) => {
  const { result, sleeps } = await joinWith(t, () => AWAY);
  t.match(result, { ok: false, reason: /^The homeserver refused the connection\. Check MATRIX_HOMESERVER/ });
  t.equal(sleeps.length, 20);
  t.equal(Math.max(...sleeps), 60_000);
});

t.test("the end of the process ends the tries, in a pause and before", async (t) => {
  const paused = await joinWith(t, () => AWAY, { abortIn: 2 });
  t.equal(paused.result, undefined);
  t.equal(paused.asked.length, 2);
});

t.test("what a log-in came to does not matter after the end", async (t) => {
  const ending = new AbortController();
  const refuse = (): Reply => {
    ending.abort();
    return { status: 403, body: { errcode: "M_FORBIDDEN", error: "" } };
  };
  const { result } = await joinWith(t, (path) => (path === "login" ? refuse() : undefined), { ending });
  t.equal(result, undefined);
});

t.test("the end of the process ends what the homeserver does not answer", async (t) => {
  for (const hanging of ["login", "keys/upload"]) {
    const ending = new AbortController();
    const mood: Mood = (path) => {
      if (path !== hanging) return undefined;
      setImmediate(() => ending.abort());
      return "hangs";
    };
    t.equal((await joinWith(t, mood, { ending })).result, undefined, hanging);
  }
});

t.test("nothing is asked when the end came first", async (t) => {
  const { result, asked } = await joinWith(t, () => AWAY, { abortIn: 0 });
  t.equal(result, undefined);
  t.same(asked, []);
});

t.test("when the device has gone, none of its keys come back into the store", async (t) => {
  const { result, store, tokens, logins, ends, close } = await joinWith(t, () => undefined);
  const { connection, encryption } = joined(result);
  await encryption.flush();
  t.not([...store.entries("indexeddb")].length, 0, "there were keys");
  const [former] = tokens.values();
  tokens.clear();
  await t.rejects(connection.chat.send("!room:example.org", "text", "transaction"));
  t.same(ends, ["device-changed"]);
  t.same(logins, ["password ok", "password ok"]);
  t.not([...tokens.values()][0], former);
  // What the machine has in memory belongs to the former device.
  await connection.sdk.crypto.updateSyncData([], { signed_curve25519: 0 }, [], [USER], []).catch(() => {});
  await encryption.flush();
  await close(joined(result));
  t.same([...store.entries("indexeddb")], []);
});

t.test("members whose ids no engine takes don't keep a sync from being taken in", async (t) => {
  const strange = ["@x:b c", "@x:", "@x:_y", "@x:y:99999", "x"];
  const events = [
    {
      type: "m.room.encryption",
      state_key: "",
      sender: USER,
      content: { algorithm: "m.megolm.v1.aes-sha2" },
    },
    ...strange.map((user) => ({
      type: "m.room.member",
      state_key: user,
      sender: USER,
      content: { membership: "invite" },
    })),
  ];
  const body = {
    next_batch: "2",
    device_lists: { changed: strange, left: strange },
    rooms: { join: { "!room:example.org": { state: { events } } } },
  };
  const members = { joined: Object.fromEntries([USER, ...strange].map((user) => [user, {}])) };
  const next = Promise.withResolvers<void>();
  const { result, logged, close } = await joinWith(t, (path, count) => {
    if (path.endsWith("/joined_members")) return { status: 200, body: members };
    if (path !== "sync") return undefined;
    if (count === 1) return { status: 200, body };
    next.resolve();
    return "hangs";
  });
  const { connection } = joined(result);
  connection.start();
  await next.promise;
  t.notMatch(logged.join(""), /trying again/);
  await connection.chat.send("!room:example.org", "text", "transaction").catch((error: unknown) =>
    // That "homeserver" has no event ids; the message was encrypted for whom it can be.
    t.match(error, { fault: { kind: "not-json" } }),
  );
  await close(joined(result));
});

t.test("a room that the homeserver can't tell of does not stop the bot at a stranger's word", async (t) => {
  const event = {
    type: "m.room.message",
    event_id: "$1",
    sender: "@mallory:example.org",
    origin_server_ts: Date.now(),
    content: { msgtype: "m.text", body: "hello" },
  };
  const body = {
    next_batch: "2",
    rooms: { join: { "!room:example.org": { timeline: { events: [event] } } } },
  };
  const next = Promise.withResolvers<void>();
  const { result, logged, close } = await joinWith(t, (path, count) => {
    if (path.startsWith("rooms/")) return { status: 500, body: { errcode: "M_UNKNOWN", error: "" } };
    if (path !== "sync") return undefined;
    if (count === 1) return { status: 200, body };
    next.resolve();
    return "hangs";
  });
  joined(result).connection.start();
  await next.promise;
  t.notMatch(logged.join(""), /trying again/);
  await close(joined(result));
});
