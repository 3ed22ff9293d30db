// SPDX-License-Identifier: Apache-2.0
// Tests the PIN change and the refresh over HTTP: every response and its audit line.
import { randomBytes } from "node:crypto";
import t from "tap";
import { type PinResult, unavailable } from "../../../server/agent/store.ts";
import { writableAgent } from "../writable-agent.ts";

t.test("the PIN is changed for who knows it", async (t) => {
  const { ask, audits, pin } = writableAgent(t);
  const newPin = randomBytes(8).toString("hex");
  const change = (body: object) => ask({ method: "POST", url: "/v1/pin", body });
  const wrong = await change({ currentPin: newPin, newPin: pin });
  t.equal(wrong.statusCode, 403);
  t.match(wrong.json(), { code: "PIN_MISMATCH" });
  const changed = await change({ currentPin: pin, newPin });
  t.equal(changed.statusCode, 204);
  t.equal(changed.body, "");
  t.equal(changed.headers["cache-control"], "no-store");
  t.equal((await change({ currentPin: pin, newPin })).statusCode, 403, "the old one is no longer in use");
  const line = { audit: "pin", who: { token: "ci" }, outcome: "PIN_MISMATCH" };
  t.match(audits(), [line, { ...line, outcome: "changed" }, line]);
});

t.test("each end of a change of the PIN has its answer", async (t) => {
  const ends: [end: PinResult, status: number, code: string][] = [
    [{ kind: "refused", message: "the token wants 6 to 15 characters" }, 422, "PIN_REFUSED"],
    [unavailable("PIN_LOCKED", "locked", 9), 503, "PIN_LOCKED"],
    [unavailable("TIMEOUT", "slow", 9), 503, "TIMEOUT"],
    [{ kind: "withheld", retryAfterSeconds: 9 }, 429, "TOO_BUSY"],
  ];
  for (const [end, status, code] of ends) {
    const { ask, store, audits } = writableAgent(t);
    store.setPin = async () => end;
    const answer = await ask({
      method: "POST",
      url: "/v1/pin",
      body: { currentPin: "1234", newPin: "5678" },
    });
    t.equal(answer.statusCode, status);
    t.match(answer.json(), { code, ...("message" in end && { message: end.message }) });
    t.equal(answer.headers["retry-after"], status === 422 ? undefined : "9");
    t.match(audits(), [{ audit: "pin", outcome: code }]);
  }
});

t.test("a PIN that no PIN file could hold, or no PIN, is not tried", async (t) => {
  const { ask, store } = writableAgent(t);
  store.setPin = async () => t.fail("tried") as never;
  for (const [body, field] of [
    [{}, "body.currentPin"],
    [{ currentPin: "", newPin: "12345" }, "body.currentPin"],
    [{ currentPin: "1234", newPin: "123" }, "body.newPin"],
    [{ currentPin: "1234", newPin: "1234\n5" }, "body.newPin"],
    [{ currentPin: "1234", newPin: "1234\u0000" }, "body.newPin"],
    [{ currentPin: "1234", newPin: "1".repeat(256) }, "body.newPin"],
    [{ currentPin: 1234, newPin: "12345" }, "body.currentPin"],
    [{ currentPin: "1234", newPin: "12345", pin: "" }, "body.pin"],
  ] as const) {
    const answer = await ask({ method: "POST", url: "/v1/pin", body });
    t.equal(answer.statusCode, 400);
    t.match(answer.json(), { code: "INVALID_REQUEST", details: [{ field }] });
  }
});

t.test("a refresh loads the token anew and tells what it is", async (t) => {
  const { ask, store, audits } = writableAgent(t);
  let loaded = 0;
  store.refresh = async () => {
    loaded += 1;
    return loaded > 1 ? unavailable("TOKEN_UNAVAILABLE", "pulled out", 4) : { kind: "refreshed" };
  };
  const refresh = () => ask({ method: "POST", url: "/v1/refresh", as: "reader" });
  const first = await refresh();
  t.equal(first.statusCode, 200);
  t.match(first.json(), { device: "hsm-a", layout: "packed", writable: true });
  const failed = await refresh();
  t.equal(failed.statusCode, 503);
  t.equal(failed.headers["retry-after"], "4");
  t.equal(loaded, 2);
  t.match(audits(), [
    { audit: "refresh", outcome: "refreshed" },
    { audit: "refresh", outcome: "TOKEN_UNAVAILABLE" },
  ]);
});
