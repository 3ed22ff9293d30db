// SPDX-License-Identifier: Apache-2.0
// Tests create, update, get, list, delete and rename-key against a running agent.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parse } from "yaml";
import { madeUp, startAgent, temporaryFolder, valueAt } from "./fixture.ts";

/** Beside line breaks. */
const CONTROLS = /[^\P{Cc}\n]|\p{Cf}/u;

t.test("a secret is created, read, listed, changed, renamed and deleted", async (t) => {
  const agent = await startAgent(t);
  const folder = temporaryFolder(t);
  const binary = randomBytes(300);
  writeFileSync(join(folder, "key.bin"), binary);
  const [first, second] = [madeUp(), madeUp()];
  const created = await agent.run(
    [
      "create",
      "db",
      "-n",
      "shop",
      "--from-file=pass=-",
      "--from-file",
      join(folder, "key.bin"),
      "-o",
      "json",
    ],
    { input: first },
  );
  t.equal(created.code, 0, created.stderr);
  t.match(JSON.parse(created.stdout), {
    path: "secrets/shop/db",
    outcome: "created",
    keys: ["key.bin", "pass"],
    version: 1,
  });
  t.equal(await valueAt(agent.store, "secrets/shop/db", "pass"), first);

  const raw = await agent.run(["get", "db", "-nshop", "--key=key.bin"]);
  t.ok(raw.bytes.equals(binary), "--key gives the very bytes");
  const got = await agent.run(["get", "db", "-n=shop", "-o", "yaml"]);
  t.match(parse(got.stdout), {
    path: "secrets/shop/db",
    keys: [{ key: "key.bin", bytes: 300 }, { key: "pass" }],
  });
  t.notMatch(got.stdout, "data:");
  const shown = await agent.run(["get", "db", "-n", "shop", "--show"]);
  t.ok(shown.stdout.includes(`    ${first}\n`));
  t.ok(shown.stdout.includes(`    base64: ${binary.toString("base64")}\n`));
  const json = await agent.run(["get", "db", "-n", "shop", "--show", "-o", "json"]);
  t.equal(JSON.parse(json.stdout).data.pass, Buffer.from(first).toString("base64"));

  const again = await agent.run(["create", "db", "-n", "shop", "--from-file=pass=-"], { input: second });
  t.match(again, { code: 5, stderr: /secrets\/shop\/db exists already: use update/ });
  t.equal(await valueAt(agent.store, "secrets/shop/db", "pass"), first);

  const updated = await agent.run(["update", "db", "-n", "shop", "--from-file=pass=-"], { input: second });
  t.match(updated, { code: 0, stdout: "secrets/shop/db changed on hsm-a: key.bin, pass\n" });
  t.equal(await valueAt(agent.store, "secrets/shop/db", "pass"), second);
  const same = await agent.run(["update", "db", "-n", "shop", "--from-file=pass=-"], { input: second });
  t.match(same, { code: 0, stdout: /unchanged/ });

  agent.store.put("secrets/shop-prod/db", { a: "1" });
  agent.store.put("shared/x", { a: "1" });
  const listed = await agent.run(["list", "-n", "shop", "-o", "json"]);
  t.match(JSON.parse(listed.stdout).secrets, [{ name: "db", keys: ["key.bin", "pass"] }]);
  t.equal(
    JSON.parse(listed.stdout).secrets.length,
    1,
    "another namespace of the same beginning is not listed",
  );
  const all = await agent.run(["list", "-A"]);
  t.match(all.stdout, /^PATH +KEYS[\s\S]*secrets\/shop-prod\/db[\s\S]*shared\/x/);
  t.match(await agent.run(["get", "shared/x", "--path"]), { code: 0, stdout: /path: +shared\/x/ });

  const renamed = await agent.run(["rename-key", "db", "pass", "password", "-n", "shop"]);
  t.equal(renamed.code, 0, renamed.stderr);
  t.equal(await valueAt(agent.store, "secrets/shop/db", "password"), second);
  t.equal(await valueAt(agent.store, "secrets/shop/db", "pass"), undefined);
  t.match(agent.seen.at(-1), { method: "PATCH", ifMatch: /^"sha256:/ });
  t.match(await agent.run(["rename-key", "db", "pass", "x", "-n", "shop"]), { code: 7 });
  t.match(await agent.run(["rename-key", "db", "password", "key.bin", "-n", "shop"]), { code: 5 });

  const replaced = await agent.run(["update", "db", "-n", "shop", "--replace", "--from-file=only=-"], {
    input: "1",
  });
  t.match(replaced, { code: 0, stdout: "secrets/shop/db changed on hsm-a: only\n" });

  t.match(await agent.run(["delete", "db", "-n", "shop"]), { code: 2, stderr: /--yes/ });
  t.match(await agent.run(["delete", "db", "-n", "shop", "--key", "none", "--yes"]), { code: 7 });
  t.match(await agent.run(["delete", "db", "-n", "shop", "-k", "only", "-y"]), {
    code: 0,
    stdout: "secrets/shop/db deleted from hsm-a\n",
  });
  t.match(await agent.run(["delete", "db", "-n", "shop", "--yes"]), { code: 7 });
  for (const args of [
    ["get", "db"],
    ["update", "db", "--from-literal", "a=b"],
    ["update", "db", "--replace", "--from-literal", "a=b"],
    ["rename-key", "db", "a", "b"],
  ]) {
    t.match(
      await agent.run([...args, "-n", "shop"]),
      { code: 7, stderr: /there is nothing at/ },
      args.join(" "),
    );
  }
});

t.test("--dry-run and --diff", async (t) => {
  const agent = await startAgent(t);
  agent.store.put("secrets/shop/db", { user: "app", pass: "old-value", gone: "x" });
  const base = ["update", "db", "-n", "shop"];
  const writes = () => agent.seen.filter(({ method }) => method !== "GET").length;

  const dry = await agent.run([...base, "--dry-run", "--from-file=pass=-"], { input: "new-value-2" });
  t.match(dry, { code: 0, stdout: "secrets/shop/db would be changed (dry run)\n" });
  const diff = await agent.run(
    [...base, "--dry-run", "--diff", "--replace", "--from-file=pass=-", "--from-literal", "user=app"],
    {
      input: "new-value-2",
    },
  );
  t.equal(diff.code, 1);
  t.notMatch(diff.stdout, /sha256/, "a checksum gives a short value away");
  t.match(diff.stdout, /^- gone {3}1 B$/m);
  t.match(diff.stdout, /^~ pass {3}9 B {3}-> {3}11 B$/m);
  t.notMatch(diff.stdout, / user | app/);
  const json = await agent.run([...base, "--dry-run", "--diff", "--from-literal", "user=app", "-o", "json"]);
  t.equal(json.code, 0, "no difference");
  t.match(JSON.parse(json.stdout), { outcome: "unchanged", dryRun: true });
  const added = await agent.run(["create", "new", "-n", "shop", "--dry-run", "--diff", "--from-literal=a=b"]);
  t.match(added, { code: 1, stdout: /would be created \(dry run\)\n\+ a {3}1 B$/m });
  t.match(await agent.run(["create", "db", "-n", "shop", "--dry-run", "--from-literal=a=b"]), { code: 5 });
  const odd = ["--from-literal=__proto__=1", "--from-literal=constructor=2", "--from-literal=toString=3"];
  const ordinary = await agent.run(["create", "new", "-n", "shop", "--dry-run", "--diff", ...odd]);
  t.match(ordinary, {
    code: 1,
    stdout: /\n\+ __proto__ {3}1 B\n\+ constructor {3}1 B\n\+ toString {3}1 B\n$/,
  });
  t.equal(writes(), 0);

  t.match(await agent.run([...base, "--diff", "--from-literal=a=b"]), { code: 2, stderr: /--yes/ });
  t.equal(writes(), 0, "nothing is written without an answer");
  const same = await agent.run([...base, "--diff", "--from-literal=user=app"]);
  t.match(same, { code: 0, stdout: "secrets/shop/db is unchanged\n" });
  const written = await agent.run([...base, "--diff", "--yes", "--from-literal=a=b"]);
  t.match(written, { code: 0, stderr: /^\+ a {3}1 B/m });
  t.match(agent.seen.at(-1), { method: "PATCH", ifMatch: /^"sha256:/ });
});

t.test("what is changed after it was shown is not overwritten", async (t) => {
  const agent = await startAgent(t, {
    before: ({ method }) => {
      if (method !== "GET") agent.store.put("secrets/shop/db", { pass: madeUp() });
    },
  });
  agent.store.put("secrets/shop/db", { pass: "1" });
  for (const args of [
    ["update", "db", "--diff", "--yes", "--from-literal=pass=3"],
    ["update", "db", "--diff", "--yes", "--replace", "--from-literal=pass=3"],
    ["rename-key", "db", "pass", "other"],
  ]) {
    t.match(await agent.run([...args, "-n", "shop"]), { code: 5, stderr: /was changed/ }, args.join(" "));
  }
  t.not(await valueAt(agent.store, "secrets/shop/db", "pass"), "3");
});

t.test("files: .env and .json give their keys, and KEY=FILE the file as it is", async (t) => {
  const agent = await startAgent(t);
  const folder = temporaryFolder(t);
  const file = (name: string, content: string) => writeFileSync(join(folder, name), content);
  file(".env", "# comment\n\nexport USER=app\r\nPEM=\"line 1\nline 2\"\nURL='a#b' # why\nEMPTY=\n");
  file("more.json", '\uFEFF{"port": 5432, "tls": true, "name": "ä"}');
  file("settings", 'A="1" # x\n');
  const done = await agent.run(
    [
      "create",
      "db",
      "-n",
      "shop",
      "--from-file=.env",
      "--from-file=more.json",
      "--from-file=raw=more.json",
      "--from-env-file",
      "settings",
    ],
    { cwd: folder },
  );
  t.equal(done.code, 0, done.stderr);
  const values = new Map<string, string | undefined>();
  for (const key of ["USER", "PEM", "URL", "EMPTY", "port", "tls", "name", "raw", "A"]) {
    values.set(key, await valueAt(agent.store, "secrets/shop/db", key));
  }
  t.same(Object.fromEntries(values), {
    USER: "app",
    PEM: "line 1\nline 2",
    URL: "a#b",
    EMPTY: "",
    port: "5432",
    tls: "true",
    name: "ä",
    raw: '\uFEFF{"port": 5432, "tls": true, "name": "ä"}',
    A: '"1" # x',
  });
});

t.test("metadata is set and shown, and what it says can't steer a terminal", async (t) => {
  const agent = await startAgent(t);
  const described = ["--description", "the database", "--label", "team=a", "-l", "tier=b"];
  await agent.run(["create", "db", "-n", "shop", "--from-literal=a=b", ...described]);
  t.match(
    (await agent.run(["get", "db", "-n", "shop"])).stdout,
    /description: +the database\nlabels: +team=a, tier=b/,
  );
  const patched = await agent.run(["update", "db", "-n", "shop", "--description", "another"]);
  t.match(patched, { code: 0, stdout: /changed on hsm-a: a/ });
  t.match(await agent.store.read("secrets/shop/db"), {
    metadata: { description: "another", labels: { team: "a" } },
  });
  const hostile = "\u001b[31mred\u009b\u202Eflip\nnext";
  agent.store.put("secrets/shop/db", { a: "b\u001b[2J" }, { metadata: { description: hostile } });
  for (const args of [[], ["-o", "json"], ["-o", "yaml"], ["--show"]]) {
    const { stdout } = await agent.run(["get", "db", "-n", "shop", ...args]);
    t.notMatch(stdout, CONTROLS, args.join(" "));
    if (args[0] === "-o") {
      t.equal(parse(stdout).metadata.description, hostile, "the formats keep it, escaped");
    }
  }
});
