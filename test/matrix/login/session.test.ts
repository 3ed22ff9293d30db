// SPDX-License-Identifier: Apache-2.0
// Tests the bot's session over restarts, kills, expired access tokens and removed devices, on a real Synapse: one device, and
// its keys.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { eventually } from "../../../scripts/local/eventually.ts";
import { type BotStore, openBotStore } from "../../../server/bot/store.ts";
import { type MatrixConfig, parseMatrixConfig } from "../../../server/config/matrix.ts";
import { logIn, logOut } from "../../../server/matrix/login/log-in.ts";
import { whoAmI } from "../../../server/matrix/login/token.ts";
import { type OpenedSession, openSession, type SessionDeps } from "../../../server/matrix/session.ts";
import { synapseFor } from "../synapse.ts";
import { openDeps } from "./deps.ts";
import { devicesOf } from "./devices.ts";

const configOf = (env: Record<string, string>): MatrixConfig => {
  const parsed = parseMatrixConfig(env);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.config;
};

/** A bot's folder: each `open` is a start of the bot on it. */
const botFolder = (t: Test) => {
  const folder = t.testdir();
  const forgotten: string[] = [];
  const withStore = async <T>(work: (store: BotStore) => T | Promise<T>): Promise<T> => {
    const store = openBotStore(folder);
    try {
      return await work(store);
    } finally {
      store.close();
    }
  };
  const open = (
    config: MatrixConfig,
    change: (deps: SessionDeps, store: BotStore) => SessionDeps = (deps) => deps,
  ) =>
    withStore((store): Promise<OpenedSession> => {
      const deps: SessionDeps = {
        ...openDeps(t, config),
        randomBytes,
        forgetDevice: () => {
          store.clear("indexeddb");
          forgotten.push("once");
        },
      };
      return openSession(config, store, change(deps, store));
    });
  return { open, withStore, forgotten };
};

const opened = (outcome: OpenedSession): Extract<OpenedSession, { ok: true }> => {
  if (!outcome.ok) throw new Error(outcome.reason);
  return outcome;
};

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const bot = async (name: string) => {
    const { userId, password } = await synapse.registerUser(name);
    return {
      userId,
      config: configOf({
        MATRIX_HOMESERVER: synapse.baseUrl,
        MATRIX_USER: name,
        MATRIX_PASSWORD: password,
      }),
      password,
    };
  };

  t.test("restarts use the session again: one device, however many", async (t) => {
    const { userId, config } = await bot("restarts");
    const { open, forgotten } = botFolder(t);
    const first = opened(await open(config));
    t.match(first, { deviceChanged: true, origin: "new", session: { userId } });
    for (let start = 0; start < 3; start += 1) {
      t.same(opened(await open(config)), { ...first, deviceChanged: false, origin: "reused" });
    }
    t.same(await devicesOf(synapse, userId), [first.session.deviceId]);
    t.equal(forgotten.length, 1);
  });

  t.test("a log-in whose answer is lost goes on with the same device", async (t) => {
    const { userId, config } = await bot("lost");
    const { open } = botFolder(t);
    const lost = await open(config, (deps) => ({
      ...deps,
      http: {
        ...deps.http,
        request: async (request) => {
          await deps.http.request(request);
          return { ok: false, kind: "timeout", what: "did not answer in time" };
        },
      },
    }));
    t.match(lost, { ok: false, retry: true });
    const [made] = await devicesOf(synapse, userId);
    t.equal(opened(await open(config)).session.deviceId, made);
    t.same(await devicesOf(synapse, userId), [made]);
  });

  t.test(
    "a bot that is killed while it writes a session has the former one's keys or the new one's session",
    async (t) => {
      const { config } = await bot("killed");
      const { open, withStore } = botFolder(t);
      await withStore((store) => store.put("indexeddb", "keys", "of the former device"));
      const killed = open(config, (deps) => ({
        ...deps,
        forgetDevice: () => {
          throw new Error("killed");
        },
      }));
      await t.rejects(killed);
      await withStore((store) => {
        t.equal(store.get("session", "current"), undefined, "no session without its keys");
        t.ok(store.get("indexeddb", "keys"));
      });
      t.match(await open(config), { ok: true, deviceChanged: true });
      await withStore((store) => t.equal(store.get("indexeddb", "keys"), undefined));
    },
  );

  t.test("a device that was removed is replaced by a new one", async (t) => {
    const { userId, config } = await bot("removed");
    const { open, forgotten } = botFolder(t);
    const first = opened(await open(config));
    await synapse.admin("DELETE", `v2/users/${encodeURIComponent(userId)}/devices/${first.session.deviceId}`);
    const second = opened(await open(config));
    t.match(second, { deviceChanged: true, origin: "new" });
    t.not(second.session.deviceId, first.session.deviceId);
    t.same(await devicesOf(synapse, userId), [second.session.deviceId]);
    t.equal(forgotten.length, 2);
  });

  t.test("another MATRIX_USER gets a session of its own, and the former one's device goes", async (t) => {
    const one = await bot("one");
    const two = await bot("two");
    const { open } = botFolder(t);
    opened(await open(one.config));
    const second = opened(await open(two.config));
    t.match(second, { deviceChanged: true, session: { userId: two.userId } });
    t.same(await devicesOf(synapse, one.userId), []);
    t.same(await devicesOf(synapse, two.userId), [second.session.deviceId]);
  });

  t.test("the same user written as a full id keeps the session", async (t) => {
    const { userId, config, password } = await bot("spelled");
    const { open } = botFolder(t);
    const { session } = opened(await open(config));
    const full = configOf({
      MATRIX_HOMESERVER: synapse.baseUrl,
      MATRIX_USER: userId,
      MATRIX_PASSWORD: password,
    });
    t.match(opened(await open(full)), { session, deviceChanged: false });
  });

  t.test("another homeserver is never shown the token of the former", async (t) => {
    const { config, password } = await bot("moved");
    const { open } = botFolder(t);
    const { session } = opened(await open(config));
    const moved = configOf({
      MATRIX_HOMESERVER: `http://localhost:${synapse.port}`,
      MATRIX_USER: "moved",
      MATRIX_PASSWORD: password,
    });
    const sent: (string | undefined)[] = [];
    const second = opened(
      await open(moved, (deps) => ({
        ...deps,
        http: {
          ...deps.http,
          request: (request) => {
            sent.push(request.accessToken);
            return deps.http.request(request);
          },
        },
      })),
    );
    t.match(second, { deviceChanged: true });
    t.notOk(sent.includes(session.accessToken));
  });

  t.test("a token of the configuration: its device decides whether the keys stay", async (t) => {
    const { config } = await bot("token");
    const deps = openDeps(t, config);
    const tokenOf = async (deviceId: string) => {
      const outcome = await logIn(config, deps, { deviceId });
      if (!outcome.ok) throw new Error(outcome.reason);
      return outcome.session.accessToken;
    };
    const folder = botFolder(t);
    const file = join(t.testdirName, "token");
    writeFileSync(file, await tokenOf("FIRST"));
    const withToken = configOf({
      MATRIX_HOMESERVER: synapse.baseUrl,
      AUTH_METHOD: "token",
      MATRIX_ACCESS_TOKEN_FILE: file,
    });
    t.match(await folder.open(withToken), { ok: true, deviceChanged: true, session: { deviceId: "FIRST" } });
    t.match(await folder.open(withToken), { ok: true, deviceChanged: false, origin: "reused" });
    const again = await tokenOf("FIRST");
    writeFileSync(file, again);
    t.match(await folder.open(withToken), {
      ok: true,
      deviceChanged: false,
      session: { accessToken: again },
    });
    const second = await tokenOf("SECOND");
    writeFileSync(file, second);
    t.match(await folder.open(withToken), { ok: true, deviceChanged: true, session: { deviceId: "SECOND" } });
    t.ok(await logOut(deps, second));
    t.match(await folder.open(withToken), { ok: false, retry: false, reason: /Make a new one/ });
    await folder.withStore((store) => {
      const kept = Buffer.from(store.get("session", "current") ?? []).toString();
      t.notOk(kept.includes(second), "the configuration's token is not copied into the store");
    });
  });

  t.test("a homeserver that is down costs no session", async (t) => {
    const { config, userId } = await bot("down");
    const { open } = botFolder(t);
    const first = opened(await open(config));
    await synapse.stop();
    t.match(await open(config), { ok: false, stage: "matrix", retry: true });
    await synapse.start();
    t.match(opened(await open(config)), { session: first.session, origin: "reused" });
    t.same(await devicesOf(synapse, userId), [first.session.deviceId]);
  });

  t.test("what is in the store and is no session is as good as none", async (t) => {
    const { config } = await bot("broken");
    const { open, withStore } = botFolder(t);
    await withStore((store) => {
      store.put("session", "current", "{]");
      store.put("session", "pending", '{"deviceId": 1}');
    });
    t.match(await open(config), { ok: true, origin: "new" });
  });
});

t.test("a token that expires is renewed for the same device, whose keys stay", async (t) => {
  const shortLived = await synapseFor(t, { config: { session_lifetime: 3000 } });
  if (shortLived === undefined) return;
  const { userId, password } = await shortLived.registerUser("bot");
  const config = configOf({
    MATRIX_HOMESERVER: shortLived.baseUrl,
    MATRIX_USER: "bot",
    MATRIX_PASSWORD: password,
  });
  const { open, forgotten } = botFolder(t);
  const { session } = opened(await open(config));
  const { http, ...deps } = openDeps(t, config);
  const { deviceId } = session;
  const algorithms = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"];
  const keys = { [`ed25519:${deviceId}`]: "key" };
  const uploaded = await http.request({
    method: "POST",
    path: "/_matrix/client/v3/keys/upload",
    accessToken: session.accessToken,
    body: { device_keys: { user_id: userId, device_id: deviceId, algorithms, keys, signatures: {} } },
    timeoutMs: 5000,
  });
  t.ok(uploaded.ok);
  const refused = await eventually("the token has expired", async () => {
    const owner = await whoAmI({ http, ...deps }, session.accessToken);
    return !owner.ok && owner;
  });
  t.match(refused.fault, { kind: "matrix", status: 401, errcode: "M_UNKNOWN_TOKEN", softLogout: true });
  const renewed = opened(await open(config));
  t.match(renewed, { deviceChanged: false, origin: "renewed", session: { userId, deviceId } });
  t.not(renewed.session.accessToken, session.accessToken);
  t.equal(forgotten.length, 1, "only at the first log-in");
  const found = await http.request({
    method: "POST",
    path: "/_matrix/client/v3/keys/query",
    accessToken: renewed.session.accessToken,
    body: { device_keys: { [userId]: [] } },
    timeoutMs: 5000,
  });
  t.match(found, { ok: true, body: { device_keys: { [userId]: { [deviceId]: { keys } } } } });
});
