// SPDX-License-Identifier: Apache-2.0
// Tests the bot's connection at its start with a simulated homeserver: when it retries, when it gives up, and what the store
// keeps of a deleted device.
import t from "tap";
import { AWAY, connectWith, joined, type Mood, PASSWORD, type Reply, USER } from "./connect-scene.ts";

t.test("with a homeserver that answers it joins at once", async (t) => {
  const { result, sleeps, logins, close } = await connectWith(t, () => undefined);
  const { connection } = joined(result);
  t.equal(connection.userId, USER);
  t.same(sleeps, []);
  t.same(logins, ["password ok"]);
  await close(joined(result));
});

t.test("a homeserver that is away is tried again, with pauses that double", async (t) => {
  const { result, sleeps, logins, logged, close } = await connectWith(t, (path, count) =>
    path === "login" && count <= 3 ? AWAY : undefined,
  );
  await close(joined(result));
  t.same(sleeps, [1000, 2000, 4000]);
  t.same(logins, ["password matrix", "password matrix", "password matrix", "password ok"]);
  t.equal(logged.filter((line) => line.includes("not connected; trying again")).length, 3);
  t.notMatch(logged.join(""), PASSWORD);
});

t.test("a homeserver that asks for a longer pause gets it", async (t) => {
  const { result, sleeps, close } = await connectWith(t, (path, count) =>
    path === "login" && count === 1
      ? { status: 429, body: { errcode: "M_LIMIT_EXCEEDED", error: "", retry_after_ms: 7000 } }
      : undefined,
  );
  await close(joined(result));
  t.same(sleeps, [7000]);
});

t.test("one that fails after the log-in is tried again with the same session", async (t) => {
  const { result, sleeps, logins, tokens, close } = await connectWith(t, (path, count) =>
    path === "account/whoami" && count === 1 ? { status: 502, body: "no homeserver here" } : undefined,
  );
  await close(joined(result));
  t.same(sleeps, [1000]);
  t.same(logins, ["password ok"]);
  t.equal(tokens.size, 1);
});

t.test("a refused log-in ends it at once, with what to do", async (t) => {
  const { result, sleeps, logins, asked } = await connectWith(t, (path) =>
    path === "login" ? { status: 403, body: { errcode: "M_FORBIDDEN", error: "" } } : undefined,
  );
  t.match(result, { ok: false, reason: /refused the user name or the password. Check MATRIX_USER and / });
  t.same(sleeps, []);
  t.same(logins, ["password matrix"]);
  t.same(asked, ["login"]);
});

t.test("after twenty retries it gives up, and says what to check", async (t) => {
  const { result, sleeps } = await connectWith(t, () => AWAY);
  t.match(result, { ok: false, reason: /^The homeserver refused the connection\. Check MATRIX_HOMESERVER/ });
  t.equal(sleeps.length, 20);
  t.equal(Math.max(...sleeps), 60_000);
});

t.test("the end of the process ends the tries, in a pause and before", async (t) => {
  const paused = await connectWith(t, () => AWAY, { abortIn: 2 });
  t.equal(paused.result, undefined);
  t.equal(paused.asked.length, 2);
});

t.test("what a log-in came to does not matter after the end", async (t) => {
  const ending = new AbortController();
  const refuse = (): Reply => {
    ending.abort();
    return { status: 403, body: { errcode: "M_FORBIDDEN", error: "" } };
  };
  const { result } = await connectWith(t, (path) => (path === "login" ? refuse() : undefined), { ending });
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
    t.equal((await connectWith(t, mood, { ending })).result, undefined, hanging);
  }
});

t.test("nothing is asked when the end came first", async (t) => {
  const { result, asked } = await connectWith(t, () => AWAY, { abortIn: 0 });
  t.equal(result, undefined);
  t.same(asked, []);
});

t.test("when the device has gone, none of its keys come back into the store", async (t) => {
  const { result, store, tokens, logins, ends, close } = await connectWith(t, () => undefined);
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
  const { result, logged, close } = await connectWith(t, (path, count) => {
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
  const { result, logged, close } = await connectWith(t, (path, count) => {
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
