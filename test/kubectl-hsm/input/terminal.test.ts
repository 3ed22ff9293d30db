// SPDX-License-Identifier: Apache-2.0
// Tests prompts at a real terminal: hidden input is not echoed, and the terminal is restored afterwards.
import t from "tap";
import { ENTRY, madeUp, type RunningAgent, startAgent, terminalEnv, valueAt } from "../fixture.ts";
import { onTerminal } from "./pty-session.ts";

const session = (agent: RunningAgent, args: readonly string[]) =>
  onTerminal([process.execPath, ENTRY, ...args, "-n", "shop"], terminalEnv(agent));

/** The same by a shell, which then says how the terminal was left. */
const shellSession = (agent: RunningAgent, script: string) =>
  onTerminal(["sh", "-c", script], {
    ...terminalEnv(agent),
    HSM: `${process.execPath} ${ENTRY}`,
  });

t.test("--interactive asks for keys, and hides values", async (t) => {
  const agent = await startAgent(t);
  const [first, second] = [madeUp(), madeUp()];
  const terminal = session(agent, ["create", "db", "--interactive"]);
  await terminal.until("Key (empty to end): ");
  terminal.type("userx\u007f\r");
  await terminal.until("Value of user (not shown): ");
  // A mistake, taken back; an ä, taken back; and once more the whole line.
  terminal.type(`wrong\u0015${first}xä\u007f\u007f\r`);
  await terminal.until("Once more: ");
  terminal.type(`${first}\r`);
  await terminal.until("Key (empty to end): ");
  // Typed ahead, before the next question is there.
  terminal.type(`pass\r${second}\r${second}\r\r`);
  const { code, shown } = await terminal.end();
  t.equal(code, 0, shown);
  t.match(shown, /secrets\/shop\/db created on hsm-a: pass, user\r\n$/);
  t.equal(await valueAt(agent.store, "secrets/shop/db", "user"), first);
  t.equal(await valueAt(agent.store, "secrets/shop/db", "pass"), second);
  for (const value of [first, second, "wrong", "ä"]) t.notOk(shown.includes(value), "it is not shown");
  t.match(shown, /Key \(empty to end\): userx[\b] [\b]\r?\n/, "a key is");
});

t.test("two values that differ", async (t) => {
  const agent = await startAgent(t);
  const terminal = session(agent, ["create", "db", "-i"]);
  await terminal.until("Key (empty to end): ");
  terminal.type("user\r");
  await terminal.until("(not shown): ");
  terminal.type("one\r");
  await terminal.until("Once more: ");
  terminal.type("two\r");
  t.match(await terminal.end(), { code: 2, shown: /the two values differ; nothing was changed/ });
  t.same(agent.seen, []);
});

t.test("Ctrl-C at a hidden question ends it, and the terminal shows what is typed again", async (t) => {
  const agent = await startAgent(t);
  const terminal = shellSession(agent, "$HSM rotate-pin -n shop; echo ended with $?; stty -a");
  await terminal.until("Current PIN (not shown): ");
  terminal.type("12345\u0003");
  const { shown } = await terminal.end();
  t.match(shown, /nothing was changed\r\nended with 130\r\n/);
  t.match(shown, / echo /);
  t.match(shown, / icanon /);
  t.notOk(shown.includes("12345"));
});

t.test("SIGTERM at a hidden question leaves the terminal as it was", async (t) => {
  const agent = await startAgent(t);
  const terminal = shellSession(
    agent,
    "$HSM rotate-pin -n shop & pid=$!; read go; kill -TERM $pid; wait $pid; echo ended with $?; stty -a",
  );
  // In the background of a shell without job control it still is of the terminal's process group.
  await terminal.until("Current PIN (not shown): ");
  terminal.type("\n");
  const { shown } = await terminal.end();
  t.match(shown, /ended with 143\r\n/);
  t.match(shown, / echo /);
  t.match(shown, / icanon /);
});

t.test("rotate-pin asks for the current PIN and twice for the new one", async (t) => {
  const agent = await startAgent(t);
  const rotate = async (current: string, next: string) => {
    const terminal = session(agent, ["rotate-pin", "--agent-only"]);
    await terminal.until("Current PIN (not shown): ");
    terminal.type(`${current}\r`);
    await terminal.until("New PIN (not shown): ");
    terminal.type(`${next}\r`);
    await terminal.until("Once more: ");
    terminal.type(`${next}\r`);
    const ended = await terminal.end();
    t.notOk(ended.shown.includes(current) || ended.shown.includes(next));
    return ended;
  };
  const next = madeUp();
  t.match(await rotate(madeUp(), next), { code: 4, shown: /the PIN was not changed: .*PIN_MISMATCH/ });
  t.match(await rotate(agent.pin, next), { code: 0, shown: /The token's PIN is changed\. Put the new one/ });
  t.match(await rotate(next, madeUp()), { code: 0 });
});

t.test("delete asks, and deletes what it showed", async (t) => {
  const agent = await startAgent(t);
  agent.store.put("secrets/shop/db", { user: "a", pass: "b" });
  const question = "Delete secrets/shop/db with pass, user from hsm-a? [y/N] ";
  const no = session(agent, ["delete", "db"]);
  await no.until(question);
  no.type("\r");
  t.match(await no.end(), { code: 9, shown: /nothing was changed/ });
  t.equal(await valueAt(agent.store, "secrets/shop/db", "user"), "a");
  const changed = session(agent, ["delete", "db"]);
  await changed.until(question);
  agent.store.put("secrets/shop/db", { user: "a", pass: "c" });
  changed.type("y\r");
  t.match(await changed.end(), { code: 5, shown: /was changed after it was shown; nothing was deleted/ });
  const key = session(agent, ["delete", "db", "--key", "user"]);
  await key.until("Delete the key user of secrets/shop/db from hsm-a? [y/N] ");
  key.type("y\r");
  t.match(await key.end(), { code: 0 });
  const last = session(agent, ["delete", "db", "--key", "pass"]);
  await last.until("its last: the secret goes with it? [y/N] ");
  last.type("yes\r");
  t.match(await last.end(), { code: 0, shown: /secrets\/shop\/db deleted from hsm-a/ });
  t.match(agent.seen.at(-1), { method: "DELETE", ifMatch: /^"sha256:/ });
});

t.test("the terminal is asked even where standard input is a value", async (t) => {
  const agent = await startAgent(t);
  agent.store.put("secrets/shop/db", { pass: "old" });
  const value = madeUp();
  const terminal = shellSession(
    { ...agent, env: { ...agent.env, VALUE: value } },
    'printf %s "$VALUE" | $HSM update db -n shop --from-file pass=- --diff',
  );
  await terminal.until("Write it? [y/N] ");
  terminal.type("y\r");
  const { code, shown } = await terminal.end();
  t.equal(code, 0, shown);
  t.match(shown, /~ pass {3}3 B {3}-> {3}24 B/);
  t.notOk(shown.includes(value));
  t.equal(await valueAt(agent.store, "secrets/shop/db", "pass"), value);
});

t.test("values are kept from a terminal, and a bar shows how far it is", async (t) => {
  const agent = await startAgent(t);
  const value = madeUp();
  for (let index = 0; index < 12; index += 1) {
    agent.store.put(`secrets/shop/s${index}`, { pass: value }, { layout: "per-key" });
  }
  const plain = await session(agent, ["export", "--plain"]).end();
  t.match(plain, { code: 2, shown: /standard output is a terminal/ });
  const shown = await session(agent, ["export", "--plain", "--show", "s1"]).end();
  t.ok(shown.shown.includes(Buffer.from(value).toString("base64")), "with --show it is what was asked for");
  const repack = session(agent, ["repack"]);
  await repack.until("Move 12 secrets to the layout packed? [y/N] ");
  repack.type("y\r");
  await repack.until("[##########..............] 5/12 secrets/shop/");
  await repack.until("[########################] 12/12 ");
  t.match(await repack.end(), { code: 0, shown: /12 repacked, 0 unchanged, 0 failed/ });
});
