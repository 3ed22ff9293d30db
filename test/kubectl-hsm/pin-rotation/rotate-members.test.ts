// SPDX-License-Identifier: Apache-2.0
// Tests the rotation of the PIN of an HSMDevice on SoftHSM2 tokens with real agents, cut at each of its steps.
import t, { type Test } from "tap";
import { eventually } from "../../../scripts/local/eventually.ts";
import { type Members, newPin, startMembers } from "./members.ts";

t.setTimeout(580_000);

/** Each agent's PIN by the Secret is the one that its token takes, but for one in doubt; the agents work with their old files. */
const agree = async (t: Test, { members, pins, underWay }: Members, next: string): Promise<void> => {
  const secret = await pins();
  const inDoubt = await underWay();
  for (const { agent, takes } of members) {
    const pin = secret[`pin.${agent}`] ?? secret.pin ?? "";
    if (agent === inDoubt) t.ok((await takes(pin)) || (await takes(next)), `${agent} has one of both`);
    else t.ok(await takes(pin), `${agent} has the PIN of the Secret`);
  }
};

const isDone = async (t: Test, { members, pins, underWay }: Members, next: string): Promise<void> => {
  t.same(await pins(), { pin: next, other: "kept" });
  t.equal(await underWay(), undefined);
  for (const { agent, takes } of members) t.ok(await takes(next), `${agent} has the new PIN`);
};

t.test("one after the other, and wherever it is cut the next run ends it", async (t) => {
  const all = await startMembers(t, ["a", "b"]);
  const { cluster, members, rotate, pins } = all;
  const first = newPin();
  const done = await rotate({ next: first });
  t.match(done, {
    code: 0,
    stdout: /The new PIN is set: pico-a-\w+, pico-b-\w+\.\nThe Secret keyswitch\/pico-pin/,
  });
  t.notOk(`${done.stdout}${done.stderr}${cluster.kubectlCalls()}`.includes(first), "no PIN is told");
  await isDone(t, all, first);
  for (const { works } of members) t.ok(await works(), "an agent works before its file has followed");
  const object = JSON.stringify(await cluster.api.read("/api/v1/namespaces/keyswitch/secrets/pico-pin"));
  t.match(object, /"kept":"yes"/);
  t.notMatch(object, /last-applied/);
  // Before and after each Secret that it writes: so between any two of its steps.
  const writes = 2 * members.length + 2;
  for (const place of ["before", "after"].flatMap((word) =>
    Array.from({ length: writes }, (_, n) => `${word} ${n + 1}`),
  )) {
    await t.test(`cut ${place}`, async (t) => {
      for (const { syncFiles } of members) await syncFiles();
      const next = newPin();
      t.match(await rotate({ next, killAt: place }), { code: null }, "it was cut");
      await agree(t, all, next);
      for (const { works } of members) t.ok(await works(), "the agent works");
      const begun = Object.keys(await pins()).length > 2;
      const again = await rotate(begun ? {} : { next });
      t.equal(again.code, 0, again.stderr);
      await isDone(t, all, next);
    });
  }
});

t.test(
  "an agent that was started anew in the middle, with its old file, gets the PIN of its token",
  async (t) => {
    const all = await startMembers(t, ["a", "b"]);
    const { members, rotate, underWay, pins } = all;
    const [a, b] = members;
    const next = newPin();
    // The token of b has the new PIN, and the Secret does not say so.
    t.match(await rotate({ next, killAt: "before 4" }), { code: null });
    t.equal(await underWay(), b?.agent);
    await a?.syncFiles();
    await a?.restart();
    t.ok(await a?.works(), "a has a key of its own");
    await b?.restart();
    b?.module.forgetCalls();
    t.notOk(await b?.works());
    t.notOk(await b?.works());
    t.ok((b?.module.calls("C_Login") ?? 9) <= 1, "the old PIN is tried once at the most");
    const other = await rotate({ next: newPin() });
    t.match(other, { code: 2, stderr: /a change to another PIN was cut at pico-b/ });
    t.match(await rotate(), { code: 0 });
    t.same(await pins(), { pin: next, other: "kept" });
    await b?.syncFiles();
    await eventually("b works again", async () => (await b?.works()) === true);
    await isDone(t, all, next);
  },
);

t.test("an agent that does not run keeps its PIN, and gets the new one later", async (t) => {
  const all = await startMembers(t, ["a", "b"]);
  const { cluster, members, rotate, pins } = all;
  const [a, b] = members;
  const { pin: old = "" } = await pins();
  const next = newPin();
  await cluster.api.kubectl(`delete pod ${b?.agent}-1 -n keyswitch --grace-period=0 --force`);
  const some = await rotate({ next });
  t.match(some, { code: 6, stdout: /pico-b-\w+: not there, and so with the former PIN/ });
  t.same(await pins(), { pin: next, [`pin.${b?.agent}`]: old, other: "kept" });
  t.ok(await a?.takes(next));
  await b?.syncFiles();
  await b?.restart();
  t.ok(await b?.takes(old));
  t.match(await rotate(), { code: 2, stderr: /there is no new PIN/ }, "b is still away");
});

t.test(
  "a token that is unplugged keeps its PIN; one that comes back is finished without asking",
  async (t) => {
    const all = await startMembers(t, ["a", "b"]);
    const { members, rotate, pins } = all;
    const [, b] = members;
    const { pin: old = "" } = await pins();
    const next = newPin();
    b?.module.control("absent");
    t.match(await rotate({ next }), { code: 6, stdout: /pico-b-\w+: not there/ });
    t.same(await pins(), { pin: next, [`pin.${b?.agent}`]: old, other: "kept" });
    b?.module.control();
    await b?.syncFiles();
    await b?.restart();
    t.ok(await b?.works());
    t.match(await rotate(), { code: 0, stdout: /The new PIN is set: pico-b-\w+\./ });
    await isDone(t, all, next);
  },
);

t.test("a PIN that a token refuses leaves all as it was, or each with its own", async (t) => {
  const all = await startMembers(t, ["a", "b"]);
  const { members, rotate, pins, underWay } = all;
  const [a, b] = members;
  const before = await pins();
  const next = newPin();
  a?.module.control("fail C_SetPIN a2");
  t.match(await rotate({ next }), { code: 8, stderr: /pico-a-\w+: .*No PIN was changed/ });
  t.same(await pins(), before);
  a?.module.control();
  b?.module.control("fail C_SetPIN a2");
  t.match(await rotate({ next }), {
    code: 6,
    stderr: /1 of 2 tokens have the new PIN\. Each agent has the PIN of its token/,
  });
  t.equal(await underWay(), undefined);
  await agree(t, all, next);
  b?.module.control();
  const another = newPin();
  t.match(await rotate({ next: another }), { code: 0 }, "another may be tried, as none is in doubt");
  await isDone(t, all, another);
});

t.test("a PIN of the Secret that is not the agent's stops it before anything is changed", async (t) => {
  const all = await startMembers(t, ["a", "b"]);
  const { cluster, rotate, pins } = all;
  const data = { pin: Buffer.from(newPin()).toString("base64") };
  const path = "/api/v1/namespaces/keyswitch/secrets/pico-pin";
  await cluster.api.call("PATCH", path, { data }, "application/merge-patch+json");
  const before = await pins();
  t.match(await rotate({ next: newPin() }), {
    code: 4,
    stderr: /pico-a-\w+ does not work with the PIN that the Secret has for it: .*No PIN was changed/,
  });
  t.same(await pins(), before);
  t.match(await rotate({ more: ["--agent-only"] }), { code: 2, stderr: /goes with --new-pin-file alone/ });
  t.match(await cluster.run(["rotate-pin", "--hsm-device", "none"]), { code: 2, stderr: /no HSMDevice/ });
});
