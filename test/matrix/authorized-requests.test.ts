// SPDX-License-Identifier: Apache-2.0
// Tests requests whose access token is refused, against a simulated homeserver.
import t from "tap";
import { createAuthorizedRequests } from "../../server/matrix/authorized-requests.ts";
import type { MatrixAnswer } from "../../server/matrix/http.ts";
import type { OpenedSession } from "../../server/matrix/session.ts";

const refused: MatrixAnswer = {
  ok: false,
  kind: "matrix",
  status: 401,
  errcode: "M_UNKNOWN_TOKEN",
  softLogout: true,
};

const setUp = (logIn: (count: number) => OpenedSession | Promise<OpenedSession>) => {
  const valid = new Set(["one"]);
  const used: string[] = [];
  const outcomes: string[] = [];
  const state = { clock: 0, logIns: 0, deviceChanged: 0, logInRefused: 0 };
  const requests = createAuthorizedRequests({
    http: {
      homeserver: "http://127.0.0.1",
      async request({ accessToken = "" }) {
        used.push(accessToken);
        return valid.has(accessToken) ? { ok: true, status: 200, body: {} } : refused;
      },
      async close() {},
    },
    session: { userId: "@bot:example.org", deviceId: "DEVICE", accessToken: "one" },
    openSession: async () => {
      state.logIns += 1;
      return logIn(state.logIns);
    },
    forgetDevice() {},
    now: () => state.clock,
    logger: { info() {}, warn() {}, error() {} },
    onRenewal: (outcome) => outcomes.push(outcome),
    onDeviceChanged: () => {
      state.deviceChanged += 1;
    },
    onLogInRefused: () => {
      state.logInRefused += 1;
    },
  });
  const ask = () => requests.request({ method: "GET", path: "/", timeoutMs: 1 });
  return { requests, valid, used, outcomes, state, ask };
};

const session = (accessToken: string, deviceId = "DEVICE"): OpenedSession => ({
  ok: true,
  session: { userId: "@bot:example.org", deviceId, accessToken },
  deviceChanged: deviceId !== "DEVICE",
  origin: "renewed",
});
const failure: OpenedSession = { ok: false, stage: "matrix", reason: "The homeserver is away.", retry: true };

t.test("a token that is taken is not replaced", async (t) => {
  const { ask, state } = setUp(() => failure);
  t.ok((await ask()).ok);
  t.equal(state.logIns, 0);
});

t.test("one log-in serves all requests that were refused, and each is made again", async (t) => {
  const { ask, valid, state, used, outcomes } = setUp(() => session("two"));
  valid.delete("one");
  valid.add("two");
  const answers = await Promise.all([ask(), ask(), ask()]);
  t.same(
    answers.map(({ ok }) => ok),
    [true, true, true],
  );
  t.equal(state.logIns, 1);
  t.same(used, ["one", "one", "one", "two", "two", "two"]);
  t.same(outcomes, ["ok"]);
});

t.test("a log-in that fails leaves the refusal, and is not tried again at once", async (t) => {
  const { ask, valid, state, outcomes } = setUp((count) => (count === 1 ? failure : session("two")));
  valid.delete("one");
  valid.add("two");
  t.match(await ask(), { errcode: "M_UNKNOWN_TOKEN" });
  t.match(await ask(), { errcode: "M_UNKNOWN_TOKEN" });
  t.equal(state.logIns, 1);
  state.clock = 1000;
  t.ok((await ask()).ok);
  t.same(outcomes, ["failed", "ok"]);
});

t.test("a log-in that is refused for good is told, and never tried again", async (t) => {
  const refusal = { ...failure, reason: "Wrong password.", retry: false };
  const { ask, valid, state, outcomes } = setUp(() => refusal);
  valid.delete("one");
  t.notOk((await ask()).ok);
  state.clock += 60_000;
  t.notOk((await ask()).ok);
  t.equal(state.logIns, 1);
  t.equal(state.logInRefused, 1);
  t.same(outcomes, ["failed"]);
});

t.test("a new token that is refused as well is not replaced for the same request", async (t) => {
  const { ask, valid, state } = setUp((count) => session(`new ${count}`));
  valid.delete("one");
  t.match(await ask(), { errcode: "M_UNKNOWN_TOKEN" });
  t.equal(state.logIns, 1);
});

t.test("another device is told once, and nothing is sent for it", async (t) => {
  const { ask, valid, state, used, outcomes } = setUp(() => session("two", "OTHER"));
  valid.delete("one");
  valid.add("two");
  t.match(await ask(), { errcode: "M_UNKNOWN_TOKEN" });
  t.match(await ask(), { errcode: "M_UNKNOWN_TOKEN" });
  t.equal(state.deviceChanged, 1);
  t.equal(state.logIns, 1);
  t.same(used, ["one", "one"]);
  t.same(outcomes, ["device-changed"]);
});
