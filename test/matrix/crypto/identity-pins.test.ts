// SPDX-License-Identifier: Apache-2.0
// Tests identity pins: what is stored, reported and obeyed.
import { Writable } from "node:stream";
import { pino } from "pino";
import t, { type Test } from "tap";
import type { IdentityChange } from "../../../server/bot/chat.ts";
import { openBotStore } from "../../../server/bot/store.ts";
import { createIdentityPins } from "../../../server/matrix/crypto/identity-pins.ts";
import type { MessageOrigin } from "../../../server/matrix/crypto/message-origins.ts";

const USER = "@alice:x";
const signed: MessageOrigin = { sender: USER, device: "D", state: "signed" };

/** A bot's pins over restarts; `key` is what the machine knows of the user. */
const start = (t: Test, policy: "warn" | "refuse") => {
  const store = openBotStore(t.testdir());
  t.teardown(() => store.close());
  const lines: string[] = [];
  const logger = pino(
    {},
    new Writable({
      write(line, _encoding, done) {
        lines.push(String(line));
        done();
      },
    }),
  );
  let key: string | undefined;
  let told: IdentityChange[] = [];
  const open = (accepted: Record<string, string> = {}) =>
    createIdentityPins({
      store,
      logger,
      policy,
      allowedUsers: [USER],
      accepted: new Map(Object.entries(accepted)),
      masterKey: async () => key,
      onChange: (change) => told.push(change),
    });
  let pins = open();
  return {
    lines,
    told: () => told.map(({ from, to, isObeyed }) => ({ from, to, isObeyed })),
    ids: () => told.map(({ id }) => id),
    verdict: (origin: MessageOrigin | undefined = signed) => pins.verdict(USER, origin),
    isProven: (origin: MessageOrigin | undefined = signed) => pins.isProven(USER, origin),
    async see(next: string | undefined) {
      key = next;
      await pins.check();
    },
    acknowledge() {
      for (const change of told) pins.acknowledge(change);
    },
    async restart(accepted?: Record<string, string>) {
      told = [];
      pins = open(accepted);
      await pins.check();
    },
  };
};

const ok = { obey: true };
const no = (reason: string) => ({ obey: false, reason });

t.test("a user who never had an identity is obeyed, and the first one is pinned", async (t) => {
  const bot = start(t, "refuse");
  await bot.see(undefined);
  t.strictSame(bot.verdict({ ...signed, state: "unsigned" }), ok);
  await bot.see("one");
  t.strictSame(bot.verdict(), ok);
  t.strictSame(bot.told(), []);
});

t.test("refuse: a change is told once, and refused until it is accepted", async (t) => {
  const bot = start(t, "refuse");
  await bot.see("one");
  await bot.see("two");
  await bot.see("two");
  t.strictSame(bot.told(), [{ from: "one", to: "two", isObeyed: false }]);
  t.strictSame(bot.verdict(), no("identity-changed"));
  bot.acknowledge();
  await bot.restart();
  t.strictSame(bot.told(), []);
  t.strictSame(bot.verdict(), no("identity-changed"));
  await bot.restart({ [USER]: "two" });
  t.strictSame(bot.verdict(), ok);
  await bot.restart();
  t.strictSame(bot.verdict(), ok, "what was accepted is pinned");
  t.strictSame(bot.told(), []);
});

t.test("refuse: what was accepted before it was told is told as it is now", async (t) => {
  const bot = start(t, "refuse");
  await bot.see("one");
  await bot.see("two");
  await bot.restart({ [USER]: "two" });
  t.strictSame(bot.told(), [{ from: "one", to: "two", isObeyed: true }]);
  t.match(bot.lines.at(-1), "the user has the trusted one now, and is obeyed");
  await bot.see("three");
  t.strictSame(bot.told().slice(1), [{ from: "two", to: "three", isObeyed: false }]);
  await bot.restart({ [USER]: "two" });
  t.strictSame(bot.told(), [{ from: "two", to: "three", isObeyed: false }]);
});

t.test("refuse: the operator's list counts more than the pin", async (t) => {
  const bot = start(t, "refuse");
  await bot.see("one");
  await bot.restart({ [USER]: "another" });
  t.strictSame(bot.verdict(), no("identity-changed"));
  t.strictSame(bot.told(), [{ from: "another", to: "one", isObeyed: false }]);
});

t.test(
  "refuse: back at the pinned identity the user is obeyed, and the next change is told again",
  async (t) => {
    const bot = start(t, "refuse");
    await bot.see("one");
    await bot.see("two");
    await bot.see("one");
    t.strictSame(bot.verdict(), ok);
    await bot.see("two");
    t.equal(bot.told().length, 2);
  },
);

t.test("warn: every change is told once, and pinned", async (t) => {
  const bot = start(t, "warn");
  await bot.see("one");
  await bot.see("two");
  t.strictSame(bot.verdict(), ok);
  await bot.see("one");
  await bot.see("two");
  t.strictSame(
    bot.told().map(({ to }) => to),
    ["two", "one", "two"],
  );
  t.equal(new Set(bot.ids()).size, 3, "each has an id of its own");
  t.equal(bot.lines.filter((line) => line.includes("has changed")).length, 3);
});

t.test("a change that was not acknowledged is told again after a restart, by the same id", async (t) => {
  const bot = start(t, "warn");
  await bot.see("one");
  await bot.see("two");
  const ids = bot.ids();
  await bot.restart();
  t.strictSame(bot.ids(), ids);
  bot.acknowledge();
  await bot.restart();
  t.strictSame(bot.ids(), []);
});

const origins = [
  ["a signed device", signed, ok, ok],
  ["an unsigned device", { ...signed, state: "unsigned" }, ok, no("unsigned-device")],
  ["an unknown device", { ...signed, state: "unknown", device: undefined }, ok, no("unsigned-device")],
  [
    "keys of somebody else",
    { ...signed, state: "mismatched" },
    no("mismatched-sender"),
    no("mismatched-sender"),
  ],
  ["another sender", { ...signed, sender: "@eve:x" }, no("mismatched-sender"), no("mismatched-sender")],
] as const;

for (const [title, origin, warned, refused] of origins) {
  t.test(`${title}, of a user with a pinned identity`, async (t) => {
    const warning = start(t, "warn");
    await warning.see("one");
    t.strictSame(warning.verdict(origin), warned);
    t.strictSame(warning.verdict(origin), warned);
    const count = warning.lines.filter((line) => line.includes("has not signed")).length;
    t.equal(count, origin.state === "unsigned" || origin.state === "unknown" ? 1 : 0, "warnings in the log");
  });
  t.test(`${title}, of a user with a pinned identity, under refuse`, async (t) => {
    const refusing = start(t, "refuse");
    await refusing.see("one");
    t.strictSame(refusing.verdict(origin), refused);
  });
}

t.test("an event that we did not decrypt is not vouched for", async (t) => {
  const store = openBotStore(t.testdir());
  t.teardown(() => store.close());
  const pins = createIdentityPins({
    store,
    logger: pino({ enabled: false }),
    policy: "warn",
    allowedUsers: [],
    accepted: new Map(),
    masterKey: async () => undefined,
    onChange: () => {},
  });
  t.strictSame(pins.verdict(USER, undefined), no("not-encrypted"));
});

t.test("a message is proven by a signed device of the pinned identity, whatever is obeyed", async (t) => {
  for (const policy of ["warn", "refuse"] as const) {
    const bot = start(t, policy);
    t.equal(bot.isProven(), false, "no identity is known");
    await bot.see("one");
    t.equal(bot.isProven(), true);
    for (const state of ["unsigned", "unknown", "mismatched"] as const) {
      t.equal(bot.isProven({ ...signed, state }), false, state);
    }
    t.equal(bot.isProven({ ...signed, sender: "@eve:x" }), false, "of another user");
    await bot.restart();
    t.equal(bot.isProven(), true, "after a restart");
    await bot.see("two");
    t.equal(bot.isProven(), false, "the identity has changed");
    await bot.restart();
    t.equal(bot.isProven(), false, "and after a restart");
    await bot.restart({ [USER]: "two" });
    t.equal(bot.isProven(), true, "the operator accepts it");
    await bot.see("three");
    t.equal(bot.isProven(), false, "the operator's is another");
  }
});

t.test("an event that was not decrypted proves nothing", async (t) => {
  const store = openBotStore(t.testdir());
  t.teardown(() => store.close());
  const pins = createIdentityPins({
    store,
    logger: pino({ level: "silent" }),
    policy: "warn",
    allowedUsers: [USER],
    accepted: new Map(),
    masterKey: async () => "one",
    onChange: () => {},
  });
  await pins.check();
  t.equal(pins.isProven(USER, undefined), false);
  t.equal(pins.isProven(USER, signed), true);
});
