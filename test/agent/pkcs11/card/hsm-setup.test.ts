// SPDX-License-Identifier: Apache-2.0
// Tests docs/hsm-setup.md word for word on a virtual card with a running agent beside it, and README's pkcs11-tool commands.
import { randomBytes, randomInt } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { eventually } from "../../../../scripts/local/eventually.ts";
import { startAgent, valueAt } from "../../../kubectl-hsm/fixture.ts";
import { onTerminal } from "../../../kubectl-hsm/input/pty-session.ts";
import { someKeys } from "../kill-points.ts";
import type { WatchedStore } from "../token-fixture.ts";
import { type CardFixture, cardFixture, cardTest, ready, reloaded } from "./card-fixture.ts";
import { openShell, type Shell, shellBlocks } from "./document-shell.ts";

t.setTimeout(590_000);

const PAGE = shellBlocks(new URL("../../../../docs/hsm-setup.md", import.meta.url));
const README = readFileSync(new URL("../../../../README.md", import.meta.url), "utf8");
const STORAGE = readFileSync(new URL("../../../../docs/storage.md", import.meta.url), "utf8");

const DATABASE = "secrets/demo/database";
const OTHER = "secrets/demo/other";

const digits = (count: number): string => Array.from({ length: count }, () => randomInt(1, 10)).join("");

/** The commands of a section, of which there are as many as the test knows. */
const commandsOf = (section: string, count: number): string[] => {
  const found = PAGE.filter((block) => block.section === section).map(({ commands }) => commands);
  if (found.length !== count) {
    throw new Error(`${section} has ${found.length} blocks, and the test knows ${count}`);
  }
  return found;
};

/** The commands of the first section, once they show the card: pcscd looks for it from time to time. */
const plugIn = async (shell: Shell): Promise<void> => {
  const [readers = ""] = commandsOf("Set up the token", 1);
  let out = "";
  const isSeen = async (): Promise<boolean> => {
    ({ out } = await shell.run(readers));
    return /Yes +Virtual PCD/.test(out);
  };
  await eventually("the reader has a card", isSeen, { seconds: 60, seen: () => out });
};

type Page = CardFixture & { shell: Shell; answers: Map<string, string> };
type Scene = Page & { store: WatchedStore };

/** Runs the commands, which have to succeed. */
const follow = async (t: Test, shell: Shell, commands = "", env = {}): Promise<string> => {
  const { code, out } = await shell.run(commands, env);
  t.equal(code, 0, `${commands.split("\n", 1)[0]}: ${out}`);
  return out;
};

t.test("the test knows every section with commands, and no command has a PIN as an argument", async (t) => {
  t.same(
    [...new Set(PAGE.map(({ section }) => section))],
    [
      "Set up the token",
      "Initialise",
      "PIN rules",
      "The first secret",
      "An object that can't be read",
      "Other PKCS#11 modules",
    ],
  );
  for (const { commands } of PAGE) {
    // printf is the shell's own: no process has what follows it as arguments.
    t.notMatch(commands.replaceAll('printf %s "$PIN" |', ""), /\$\{?(SO_)?PIN\b/, commands);
  }
});

cardTest("a SmartCard-HSM gets a label; a PIN of 16 digits can be set, and not be used", async (t) => {
  const { card, pcscd } = await cardFixture(t);
  const answers = new Map([
    ["SO PIN", randomBytes(8).toString("hex")],
    ["PIN", digits(6)],
  ]);
  const shell = openShell(t, pcscd.env, answers);
  const [read, , initialise, look] = commandsOf("Initialise", 4);
  await plugIn(shell);
  await follow(t, shell, read);
  await follow(t, shell, initialise);
  t.match(await follow(t, shell, look), /token label +: keyswitch \(UserPIN\)/);
  answers.set("PIN", digits(16));
  await follow(t, shell, read);
  await follow(t, shell, initialise);
  t.equal(String(card.memory.user.value), answers.get("PIN"));
  const { code, out } = await shell.run(look ?? "");
  t.not(code, 0);
  t.match(out, /CKR_PIN_LEN_RANGE/);
});

const initialise = async (t: Test, { card, shell, answers, way }: Page): Promise<void> => {
  await plugIn(shell);
  card.memory.files.set(0xcd07, Buffer.from("what was there before"));
  const [read, make, , look] = commandsOf("Initialise", 4);
  await follow(t, shell, read);
  await follow(t, shell, make);
  t.notOk(card.memory.files.has(0xcd07), "it is erased");
  const shown = await follow(t, shell, look);
  t.match(shown, /SO-PIN tries left +: 15\nUser PIN tries left +: 3\n/);
  t.match(shown, /token label +: Pico-HSM \(UserPIN\)[\s\S]*pin min\/max +: 6\/15/);
  t.equal(String(card.memory.user.value), answers.get("PIN"), "a PIN of 15 digits");
  writeFileSync(way.pinFile, `${answers.get("PIN")}\n`);
};

const pinRules = async (t: Test, { card, shell, answers, way, store }: Scene): Promise<void> => {
  await ready(store);
  const [, room] = /leaves (\d+) data objects/.exec(STORAGE) ?? [];
  t.match(await store.info(), { objects: 0, objectLimit: Number(room) }, "as docs/storage.md counts");
  const [logIn, unblock] = commandsOf("PIN rules", 2);
  card.memory.user.left = 1;
  await store.refresh();
  t.match(await store.read(OTHER, { fresh: true }), { code: "PIN_LOCKED" }, "the last try is left");
  await follow(t, shell, logIn);
  t.equal(card.memory.user.left, 3);
  t.match(await store.refresh(), { kind: "refreshed" });
  card.memory.user.left = 0;
  answers.set("New PIN", digits(8));
  await follow(t, shell, unblock);
  t.match(card.memory.user, { value: Buffer.from(answers.get("New PIN") ?? ""), left: 3 });
  answers.set("PIN", answers.get("New PIN") ?? "");
  writeFileSync(way.pinFile, `${answers.get("PIN")}\n`);
  t.match(await store.refresh(), { kind: "refreshed" });
};

/** The agent beside can write, whoever else was logged in meanwhile, and then reads what the others wrote. */
const besideAgent = async (t: Test, { card, store }: Scene, keys: readonly string[]): Promise<void> => {
  const written = await store.change(OTHER, { type: "put", data: someKeys(["a"]) });
  t.match(written, { kind: "written" }, "the agent writes beside, and so has loaded the card anew");
  const read = await store.read(DATABASE);
  t.same(read.kind === "found" ? [...read.data.keys()].sort() : read, keys);
  t.equal(card.memory.user.left, card.memory.user.tries, "no wrong PIN was tried");
};

const firstSecret = async (t: Test, scene: Scene): Promise<void> => {
  const { card, shell, answers, store } = scene;
  const [put, look, change, inPod] = commandsOf("The first secret", 4);
  t.match(await store.change(OTHER, { type: "put", data: someKeys(["a"]) }), { kind: "written" });
  await follow(t, shell, put);
  await besideAgent(t, scene, ["password", "username"]);
  t.equal(await valueAt(store, DATABASE, "username"), "app");
  const before = await valueAt(store, DATABASE, "password");
  const shown = await follow(t, shell, look);
  t.match(shown, /label: +'secrets\/demo\/database\/username'\n +application: +'hsm-secrets-operator'/);
  t.match(shown, /^app$/m, "the value");
  await follow(t, shell, change);
  await follow(t, shell, inPod);
  await besideAgent(t, scene, ["password", "port", "username"]);
  t.match(await valueAt(store, DATABASE, "password"), /^[\w+/]{32}$/);
  t.not(await valueAt(store, DATABASE, "password"), before, "it has changed");
  t.equal(await valueAt(store, DATABASE, "port"), "5432");
  t.notOk(
    [...card.memory.files.keys()].some((fid) => fid >> 8 === 0xcf),
    "all are private",
  );

  const [, readme = ""] = /^( {4}MODULE=[\s\S]*?)\n\n/m.exec(README) ?? [];
  writeFileSync(join(shell.folder, "password.txt"), "from a file");
  writeFileSync(join(shell.folder, "readme"), `cd ${shell.folder}\n${readme}\n`);
  const terminal = onTerminal(["bash", "-e", join(shell.folder, "readme")], shell.env);
  await terminal.until("Please enter User PIN: ");
  terminal.typeHidden(`${answers.get("PIN")}\n`);
  const { code, shown: said } = await terminal.end();
  t.equal(code, 0, said);
  await besideAgent(t, scene, ["password", "port", "username"]);
  t.equal(await valueAt(store, "secrets/shop/database", "password"), "from a file");
};

const unreadable = async (t: Test, scene: Scene): Promise<void> => {
  const { card, shell, store, answers } = scene;
  const [name, list, remove = ""] = commandsOf("An object that can't be read", 3);
  await follow(t, shell, `printf '' | put secrets/demo/empty/a`, { PIN: answers.get("PIN") });
  card.unplug(); // an empty file does not outlive that
  t.ok(card.memory.files.delete(0xcd01), "a removal that was cut between its steps");
  card.plug();
  await reloaded(store);
  t.match(await store.read(DATABASE), { code: "STORAGE_INVALID" });
  t.match(await store.read(OTHER), { kind: "found" }, "no other is concerned");
  t.match(await store.change(OTHER, { type: "put", data: someKeys(["b"]) }), { kind: "written" });
  const named = await follow(t, shell, name);
  t.match(named, /^secrets\/demo\/database\/username: can't be read: would be repaired$/m);
  t.match(named, /^secrets\/demo\/empty\/a: can't be read/m);
  const { code, out } = await shell.run("kubectl hsm repair --yes");
  t.match({ code, out }, { code: 6, out: /can't be read: FAILED: .*docs\/hsm-setup\.md/ });
  const listed = await follow(t, shell, list);
  const [, empty] = /^(C9..)\n {2}secrets\/demo\/empty\/a\n {2}hsm-secrets-operator$/m.exec(listed) ?? [];
  t.match(listed, /^C901\n {2}secrets\/demo\/database\/username\n {2}hsm-secrets-operator$/m);
  t.equal(listed.match(/^C9/gm)?.length, 2, listed);
  t.match(await follow(t, shell, remove), /Code correct\./);
  t.match(await follow(t, shell, remove.replace("C901", empty ?? "none")), /Code correct\./);
  await store.refresh();
  t.match(await follow(t, shell, name), /^nothing is wrong$/m);
  await besideAgent(t, scene, ["password", "port"]);
};

cardTest("SoftHSM2", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "keyswitch-softhsm-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "tokens"));
  const configuration = join(folder, "softhsm2.conf");
  writeFileSync(configuration, `directories.tokendir = ${join(folder, "tokens")}\n`);
  const [commands = ""] = commandsOf("Other PKCS#11 modules", 1);
  writeFileSync(join(folder, "commands"), `${commands}softhsm2-util --show-slots\n`);
  const env = { PATH: process.env.PATH ?? "", SOFTHSM2_CONF: configuration };
  const terminal = onTerminal(["bash", "-e", join(folder, "commands")], env);
  for (const [prompt, pin] of ["SO PIN", "user PIN"].map((name) => [name, digits(8)])) {
    await terminal.until(`enter ${prompt}: `);
    terminal.typeHidden(`${pin}\r`);
    await terminal.until(`enter ${prompt}: `);
    terminal.typeHidden(`${pin}\r`);
  }
  const { code, shown } = await terminal.end();
  t.match({ code, shown }, { code: 0, shown: /Label: +keyswitch/ });
});

cardTest("a Pico HSM, with an agent beside", async (t) => {
  const fixture = await cardFixture(t, { label: "Pico-HSM", fixedLabel: true });
  const answers = new Map([
    ["SO PIN", randomBytes(8).toString("hex")],
    ["PIN", digits(15)],
  ]);
  const shell = openShell(t, { ...fixture.pcscd.env, PIN_FILE: fixture.way.pinFile }, answers);
  const page = { ...fixture, answers, shell };
  await t.test("Initialise", (t) => initialise(t, page));
  const store = fixture.openStore();
  const { env } = await startAgent(t, { over: () => store });
  Object.assign(shell.env, env);
  const scene = { ...page, store };
  await t.test("PIN rules", (t) => pinRules(t, scene));
  await t.test("The first secret", (t) => firstSecret(t, scene));
  await t.test("An object that can't be read", (t) => unreadable(t, scene));
});
