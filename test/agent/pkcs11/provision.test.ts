// SPDX-License-Identifier: Apache-2.0
// Tests on SoftHSM2 when a blank token is set up, when it is left as it is, and what a kill at any call leaves.
import { randomInt } from "node:crypto";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { eventually } from "../../../scripts/local/eventually.ts";
import { type BlankFixture, blankFixture, healthOf } from "./blank-fixture.ts";
import { someKeys } from "./kill-points.ts";
import { startAgentOn } from "./token-fixture.ts";

t.setTimeout(590_000);

const PATH = "secrets/demo/database";

/** The token is as it should be: it serves, and its SO PIN is the one that was handed over. */
const isSetUp = async (t: Test, { pkcs11Tool, tokens, soPinFile }: BlankFixture): Promise<void> => {
  t.equal(tokens(), 1);
  t.match(await pkcs11Tool("--list-token-slots"), /token label +: keyswitch\n/);
  t.equal(statSync(soPinFile).mode & 0o777, 0o600);
  await pkcs11Tool(
    "--login",
    "--login-type",
    "so",
    "--so-pin",
    "env:SO_PIN",
    "--init-pin",
    "--new-pin",
    "env:PIN",
  );
};

t.test("a blank token is set up, once, and serves", async (t) => {
  const blank = blankFixture(t);
  const store = blank.openStore();
  await healthOf(store, "ready");
  t.match(blank.soPin(), /^\d{16}$/);
  t.same(store.starts, ["start"], "by the first child");
  const data = someKeys(["a"]);
  t.match(await store.change(PATH, { type: "put", data }), { kind: "written" });
  await store.close();
  const soPin = blank.soPin();
  const again = blank.openStore();
  await healthOf(again, "ready");
  t.match(await again.read(PATH), { kind: "found" });
  t.equal(blank.module.calls("C_InitToken"), 1);
  t.equal(blank.soPin(), soPin);
  await again.close();
  await isSetUp(t, blank);
});

t.test("a kill at any call leaves what the next start finishes, or names", async (t) => {
  const learned = blankFixture(t);
  const first = learned.openStore();
  await healthOf(first, "ready");
  const calls = learned.module.allCalls();
  await first.close();
  // Calls count from 1; those before the last look at the token change nothing.
  const init = calls.indexOf("C_InitToken") + 1;
  const last = calls.indexOf("C_InitPIN") + 4;
  t.ok(init > 2 && last < calls.length, calls.join(" "));
  for (let place = init - 1; place <= last; place += 1) {
    await t.test(`in place of call ${place}, ${calls[place - 1]}`, async (t) => {
      const blank = blankFixture(t);
      blank.module.control(`kill any ${place}`);
      const store = blank.openStore();
      // The SO PIN is there before the call that gives it to the token, and before the last look at that.
      if (place <= init) {
        await healthOf(store, /left as it is: .*so-pin .*exists already.*remove it/);
        t.match(blank.soPin(), /^\d{16}$/);
        t.equal(blank.tokens(), 0, "nothing was initialised");
        rmSync(blank.soPinFile);
      }
      await healthOf(store, "ready");
      t.equal(blank.module.calls("C_InitToken"), place === init ? 2 : 1);
      await store.close();
      await isSetUp(t, blank);
    });
  }
});

type Refused = {
  title: string;
  before?: (blank: BlankFixture) => void;
  says: RegExp;
};

const REFUSED: readonly Refused[] = [
  {
    title: "two tokens are blank",
    before: ({ module }) => module.control("twice"),
    says: /no token with label "keyswitch" is present.*2 tokens are blank, and there must be one/,
  },
  {
    title: "no token is blank: the module does not tell",
    before: ({ module }) => module.control("flags 400"),
    says: /calls no token blank/,
  },
  {
    title: "the file of the SO PIN is there",
    before: ({ soPinFile }) => writeFileSync(soPinFile, "that of another token\n"),
    says: /left as it is: .*so-pin \(PKCS11_SO_PIN_OUTPUT\) exists already/,
  },
  {
    title: "the PIN is none that the token takes",
    before: ({ way }) => writeFileSync(way.pinFile, "123\n"),
    says: /PKCS11_PIN_FILE has 3 bytes, and the token takes/,
  },
  {
    title: "the PIN file holds two lines",
    before: ({ way }) => writeFileSync(way.pinFile, "12345678\n12345678\n"),
    says: /holds more than one line/,
  },
];

for (const { title, before, says } of REFUSED) {
  t.test(`nothing is initialised where ${title}`, async (t) => {
    const blank = blankFixture(t);
    before?.(blank);
    const kept = title.startsWith("the file") ? readFileSync(blank.soPinFile, "utf8") : undefined;
    const store = blank.openStore();
    await healthOf(store, says);
    t.equal(blank.module.calls("C_InitToken"), 0);
    t.equal(blank.tokens(), 0);
    if (kept === undefined) t.throws(() => statSync(blank.soPinFile), "no SO PIN was made");
    else t.equal(blank.soPin(), kept.trim());
  });
}

t.test("nothing is initialised where it is not asked for", async (t) => {
  const blank = blankFixture(t);
  const store = blank.openStore({ pkcs11: { provision: undefined } as never });
  await healthOf(store, /no token with label "keyswitch" is present/);
  t.equal(blank.module.calls("C_InitToken"), 0);
});

t.test("nothing is initialised where the SO PIN can't be written", async (t) => {
  const blank = blankFixture(t);
  const soPinFile = join(blank.soPinFile, "no", "such", "folder");
  const store = blank.openStore({ pkcs11: { provision: { soPinFile } } });
  await healthOf(store, /folder \(PKCS11_SO_PIN_OUTPUT\) can't be written \(ENOENT\)/);
  t.equal(blank.module.calls("C_InitToken"), 0);
});

t.test("a token that does not answer may be the one: the blank one beside it waits", async (t) => {
  const blank = blankFixture(t);
  blank.module.control("twice", "fail C_GetTokenInfo 30 1");
  const store = blank.openStore();
  t.match(await store.healthIs(false), { message: /a token beside the blank one does not answer/ });
  blank.module.control();
  await healthOf(store, "ready");
});

t.test("a token of another label stays as it is", async (t) => {
  const blank = blankFixture(t);
  const other = blank.openStore({ pkcs11: { tokenLabel: "other" } });
  await healthOf(other, "ready");
  await other.change(PATH, { type: "put", data: someKeys(["a"]) });
  await other.close();
  const soPinFile = `${blank.soPinFile}-2`;
  const store = blank.openStore({ pkcs11: { provision: { soPinFile } } });
  await healthOf(store, "ready");
  t.match(await store.read(PATH), { kind: "absent" });
  await store.close();
  const back = blank.openStore({ pkcs11: { tokenLabel: "other" } });
  await healthOf(back, "ready");
  t.match(await back.read(PATH), { kind: "found" });
  t.equal(blank.module.calls("C_InitToken"), 2);
});

t.test("a user PIN that the token refuses can be replaced, and then is set", async (t) => {
  const blank = blankFixture(t);
  blank.module.control("fail C_InitPIN a2 1");
  const store = blank.openStore();
  t.match(await store.healthIs(false), { message: /C_InitPIN returned CKR_PIN_LEN_RANGE. Put one there/ });
  await healthOf(store, "ready");
  t.equal(blank.module.calls("C_InitToken"), 1);
});

t.test("an SO PIN of another token is tried once", async (t) => {
  const blank = blankFixture(t);
  blank.module.control("kill any 12", "fail C_InitPIN 5");
  const store = blank.openStore();
  await healthOf(store, /C_InitPIN returned CKR_GENERAL_ERROR/);
  await store.close();
  const right = blank.soPin();
  writeFileSync(blank.soPinFile, `${randomInt(10 ** 13, 10 ** 14)}\n`);
  blank.module.control();
  blank.module.forgetCalls();
  const next = blank.openStore();
  await healthOf(next, /its SO PIN is not tried or not taken \(incorrect\)/);
  for (let n = 0; n < 5; n += 1) await next.info();
  t.equal(blank.module.calls("C_Login"), 1);
  writeFileSync(blank.soPinFile, `${right}\n`);
  await healthOf(next, "ready");
  rmSync(blank.soPinFile);
});

t.test("a token without user PIN whose SO PIN is not there is left as it is", async (t) => {
  const blank = blankFixture(t);
  blank.module.control("fail C_InitPIN 5");
  const store = blank.openStore();
  await healthOf(store, /C_InitPIN returned/);
  rmSync(blank.soPinFile);
  await healthOf(
    store,
    /so-pin \(PKCS11_SO_PIN_OUTPUT\), from which its SO PIN would be read, does not exist/,
  );
  t.equal(blank.module.calls("C_InitToken"), 1);
});

t.test("an agent says that it was done, and the SO PIN is nowhere but in its file", async (t) => {
  const blank = blankFixture(t);
  const agent = await startAgentOn(t, blank.way, {
    LOG_LEVEL: "trace",
    PKCS11_AUTO_PROVISION: "true",
    PKCS11_SO_PIN_OUTPUT: blank.soPinFile,
    REFRESH_INTERVAL_MS: "100",
  });
  await eventually("the agent is ready", async () => (await fetch(`${agent.url}/readyz`)).ok, {
    seconds: 60,
    seen: () => agent.log.join("\n"),
  });
  const metrics = await (await fetch(`${agent.url}/metrics`)).text();
  t.match(metrics, /^keyswitch_agent_tokens_provisioned_total 1$/m);
  t.equal(agent.log.filter((line) => line.includes("a blank token was set up")).length, 1);
  const soPin = blank.soPin();
  const pid = agent.process.pid ?? 0;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  t.ok(children.length > 0);
  for (const one of [String(pid), ...children]) {
    for (const file of ["cmdline", "environ"]) {
      t.notOk(readFileSync(`/proc/${one}/${file}`, "utf8").includes(soPin), `${file} of ${one}`);
    }
  }
  await agent.stop();
  t.notOk(agent.log.join("\n").includes(soPin), "the log");
});
