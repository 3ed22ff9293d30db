// SPDX-License-Identifier: Apache-2.0
// Counts how often a token compares a PIN: every walk through the guard's states, every return value of C_Login at a real
// module, and whole agents on tokens that never say that a PIN was wrong.

import { randomInt } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { logIn, type PinGate } from "../../../server/agent/pkcs11/child/login.ts";
import { attachToken } from "../../../server/agent/pkcs11/child/session.ts";
import { StartFault } from "../../../server/agent/pkcs11/child/start-fault.ts";
import { loginOutcome } from "../../../server/agent/pkcs11/ckr.ts";
import type { LoginFlags, LoginOutcome } from "../../../server/agent/pkcs11/messages.ts";
import {
  MAX_UNCLEAR_TRIES,
  nextPinState,
  type PinEvent,
  PinGuard,
  type PinState,
  whyNotTried,
} from "../../../server/agent/pkcs11/pin-guard.ts";
import { tokenFixture, type WatchedStore } from "./token-fixture.ts";

t.setTimeout(590_000);

const OUTCOMES: LoginOutcome[] = ["accepted", "incorrect", "locked", "unclear", "not-compared"];
const FLAGS: LoginFlags[] = [true, false].flatMap((locked) =>
  [true, false].flatMap((finalTry) => [true, false].map((countLow) => ({ locked, finalTry, countLow }))),
);
const wrongPin = (): string => `x${randomInt(1_000_000, 9_999_999)}`;

/** One PIN's state, and what a token would have counted since it last accepted one. */
type Walk = { state: PinState; compared: number; clear: boolean; asked: boolean };

const step = (walk: Walk, event: PinEvent): Walk => {
  const state = nextPinState(walk.state, event);
  if (event === "request") return { ...walk, state, asked: true };
  if (event === "try") return { ...walk, state };
  if (event === "accepted") return { state, compared: 0, clear: false, asked: true };
  if (event === "not-compared") return { ...walk, state };
  return { state, compared: walk.compared + 1, clear: event !== "unclear", asked: false };
};

/** Whether a token that is as `flags` says may be asked for this PIN. */
const mayBeTried = ({ state, compared, clear, asked }: Walk, { locked, finalTry }: LoginFlags): boolean =>
  !locked && !finalTry && state.kind !== "trying" && !clear && compared < MAX_UNCLEAR_TRIES && asked;

t.test("no walk through the states tries a PIN more often than it may be tried", async (t) => {
  const start: Walk = { state: { kind: "untried" }, compared: 0, clear: false, asked: true };
  const seen = new Map([[JSON.stringify(start), start]]);
  const faults: string[] = [];
  for (const walk of seen.values()) {
    const tried = FLAGS.filter((flags) => whyNotTried(walk.state, flags) === undefined);
    const ends = walk.state.kind === "trying" ? OUTCOMES : [];
    const events: PinEvent[] = ["request", ...ends, ...tried.map(() => "try" as const)];
    for (const flags of tried) {
      if (!mayBeTried(walk, flags)) faults.push(`${JSON.stringify(walk)} with ${JSON.stringify(flags)}`);
    }
    for (const next of events.map((event) => step(walk, event))) {
      if (!seen.has(JSON.stringify(next))) seen.set(JSON.stringify(next), next);
    }
  }
  t.same(faults, []);
  const kinds = new Set([...seen.values()].map(({ state }) => state.kind));
  t.same([...kinds].sort(), ["good", "locked", "refused", "spent", "trying", "unclear", "untried"]);
});

t.test("docs/hsm-setup.md draws the states as they are", async (t) => {
  const drawn = readFileSync(new URL("../../../docs/hsm-setup.md", import.meta.url), "utf8")
    .split("```mermaid")[1]
    ?.split("```")[0];
  const free = FLAGS.find(({ locked, finalTry, countLow }) => !locked && !finalTry && !countLow);
  const resting: PinState[] = [{ kind: "untried" }];
  const lines = new Set<string>(["[*] --> untried"]);
  for (const state of resting) {
    if (free === undefined || whyNotTried(nextPinState(state, "request"), free) !== undefined) continue;
    for (const outcome of OUTCOMES.filter((one) => one !== "not-compared")) {
      const next = nextPinState(nextPinState(state, "try"), outcome);
      lines.add(`${state.kind} --> ${next.kind}: ${outcome}`);
      if (!resting.some(({ kind }) => kind === next.kind)) resting.push(next);
    }
  }
  const arrows = drawn?.split("\n").map((line) => line.trim()) ?? [];
  t.same(arrows.filter((line) => line.includes("-->")).sort(), [...lines].sort());
});

/** What tries of one PIN may cost a token that answers so, and a second one after the first was asked for. */
const costOf = (value: number, countLow: boolean): { unasked: number; asked: number } =>
  loginOutcome(value) === "unclear"
    ? { unasked: 1, asked: countLow ? 1 : MAX_UNCLEAR_TRIES }
    : { unasked: 1, asked: 1 };

t.test(
  "every return value of C_Login, against flags, requests, changes of the file and restarts",
  async (t) => {
    const { token, module } = await tokenFixture(t);
    Object.assign(process.env, token.env, module.env);
    let guard = new PinGuard();
    const gate: PinGate = {
      ask: async ({ token: of, pin, flags }) => guard.begin({ token: of, pin }, flags),
      ended: (outcome, replacedBy) => guard.ended(outcome, replacedBy),
    };
    const config = { type: "configure", cache: "live", writable: true, pinKey: Buffer.alloc(32) } as const;
    const { guarded } = await attachToken(
      { ...config, module: module.module, tokenLabel: token.label, pinFile: token.pinFile },
      gate,
      () => undefined,
    );
    let file = wrongPin();
    /** Tries to log in twice, and counts what of it has reached the module. */
    const tried = async (): Promise<number> => {
      module.forgetCalls();
      for (let n = 0; n < 2; n += 1) {
        await logIn(guarded, () => file).catch((error: unknown) => {
          if (!(error instanceof StartFault)) throw error;
        });
      }
      return module.calls("C_Login");
    };
    const values = Array.from({ length: 0x204 }, (_, value) => value).concat(0x80000001, 0xffffffff);
    const faults: string[] = [];
    const failures = values.filter((one) => !["accepted", "not-compared"].includes(loginOutcome(one)));
    for (const value of failures) {
      // Where the flags forbid a try C_Login is not reached, so that one value of each outcome stands for all.
      const isFirst = failures.find((one) => loginOutcome(one) === loginOutcome(value)) === value;
      for (const flags of isFirst ? ["0", "10000", "20000", "40000"] : ["0", "10000"]) {
        module.control(`fail C_Login ${value.toString(16)}`, `flags ${flags}`);
        const { unasked, asked } = costOf(value, flags === "10000");
        const mayTry = ["0", "10000"].includes(flags);
        const expected = (mayTry ? [unasked, asked - unasked, 0] : [0, 0, 0]).join();
        const counts = async (): Promise<string> => {
          const first = await tried();
          guard.requested();
          const second = await tried();
          guard.requested();
          return [first, second, await tried()].join();
        };
        guard = new PinGuard();
        file = wrongPin();
        const before = file;
        const same = await counts();
        file = `y${before}`;
        const changed = await counts();
        file = before;
        const back = await counts();
        guard = new PinGuard();
        const restarted = await counts();
        const got = [same, changed, back, restarted].join(" ");
        const want = [expected, expected, "0,0,0", expected].join(" ");
        if (got !== want) faults.push(`0x${value.toString(16)} flags ${flags}: ${got}, not ${want}`);
      }
    }
    t.same(faults, []);
  },
);

const PATH = "secrets/a/db";
const codeOf = async (store: WatchedStore): Promise<string> => {
  const result = await store.read(PATH);
  return result.kind === "unavailable" ? result.code : result.kind;
};

const wholeRows: [what: string, line: string][] = [
  ["an error that names nothing", "fail C_Login 0x5"],
  ["a card that is reported gone", "fail C_Login 0x32"],
  ["a crash of the module", "crash C_Login segv"],
];
for (const [what, line] of wholeRows) {
  t.test(`a log-in that ends in ${what} is tried once, and once more when somebody asks`, async (t) => {
    const { token, module, openStore } = await tokenFixture(t);
    await token.putPerKey(PATH, { user: "1" });
    module.control(line);
    const store = openStore();
    for (let n = 0; n < 2; n += 1) await store.healthIs(false);
    t.equal(module.calls("C_Login"), 1, "the agent by itself does not try again");
    t.ok(store.starts.length > 1, "although it looks for the token");
    const codes = [await codeOf(store), await codeOf(store), await codeOf(store)];
    t.same(codes, ["TOKEN_UNAVAILABLE", "PIN_INCORRECT", "PIN_INCORRECT"]);
    t.equal(module.calls("C_Login"), MAX_UNCLEAR_TRIES);
    module.control();
    t.equal(await codeOf(store), "PIN_INCORRECT", "not even when the token is well again");
    t.equal(module.calls("C_Login"), MAX_UNCLEAR_TRIES);
    await store.close();
    const restarted = openStore();
    t.equal(await codeOf(restarted), "found", "a restart forgets it");
  });
}

t.test("a PIN that was good is tried no more often when the token begins to fail", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "1" });
  const store = openStore();
  t.equal(await codeOf(store), "found");
  module.control("fail C_Login 0x30", "crash C_GetAttributeValue segv 1");
  module.forgetCalls();
  for (let n = 0; n < 5; n += 1) t.not(await codeOf(store), "found");
  t.equal(module.calls("C_Login"), MAX_UNCLEAR_TRIES);
  module.control();
  writeFileSync(token.pinFile, wrongPin());
  t.equal(await codeOf(store), "PIN_INCORRECT");
  writeFileSync(token.pinFile, token.pin);
  t.equal(await codeOf(store), "PIN_INCORRECT", "not after a detour either");
  t.equal(module.calls("C_Login"), MAX_UNCLEAR_TRIES + 1);
});

t.test("a change of the PIN is a try as well, when another program has changed it before", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  const store = openStore();
  t.equal(await codeOf(store), "absent");
  module.control("fail C_SetPIN 0xa0");
  t.match(await store.setPin(token.pin, wrongPin()), { kind: "unavailable", code: "PIN_INCORRECT" });
  for (let n = 0; n < 3; n += 1) {
    t.match(await store.setPin(token.pin, wrongPin()), { kind: "unavailable", code: "PIN_INCORRECT" });
  }
  t.equal(module.calls("C_SetPIN"), 1);
  t.equal(module.calls("C_Login"), 1, "nor is the PIN of the file tried by a log-in then");
});

t.test("one file of the agent has a token compare a PIN", async (t) => {
  const root = fileURLToPath(new URL("../../../server/", import.meta.url));
  const sources = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const compares = /\.login\(|\.C_Login\(|\.C_SetPIN\(|\.C_InitPIN\(/;
  const found = sources.filter((name) => compares.test(readFileSync(join(root, name), "utf8")));
  t.same(found, [join("agent", "pkcs11", "child", "login.ts")]);
});
