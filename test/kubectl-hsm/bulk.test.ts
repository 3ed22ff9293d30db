// SPDX-License-Identifier: Apache-2.0
// Tests import, export and repack against a running agent: what is written, skipped and failed, and how one resumes.
import { spawnSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Decrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import t from "tap";
import { unavailable } from "../../server/agent/store.ts";
import { madeUp, startAgent, temporaryFolder, valueAt } from "./fixture.ts";

const shop = ["-n", "shop"];

t.test("an encrypted export is what age makes, for its owner alone, and comes in again", async (t) => {
  const agent = await startAgent(t);
  const folder = temporaryFolder(t);
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  writeFileSync(join(folder, "key.txt"), `# created: now\n${identity}\n`);
  writeFileSync(join(folder, "recipients"), `# ada\n${recipient}\n`);
  const value = madeUp();
  agent.store.put("secrets/shop/db", { pass: value }, { metadata: { description: "the database" } });
  agent.store.put("secrets/shop/db-prod", { pass: madeUp() });
  agent.store.put("secrets/other/x", { "": "" });
  const binary = join(folder, "backup.age");
  const exported = await agent.run(["export", ...shop, "-r", recipient, "--file", binary]);
  t.match(exported, { code: 0, stdout: "", stderr: "2 secrets exported from hsm-a\n" });
  t.equal(statSync(binary).mode & 0o777, 0o600);
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const body = JSON.parse(await decrypter.decrypt(readFileSync(binary), "text"));
  t.match(body, {
    device: "hsm-a",
    secrets: [{ path: "secrets/shop/db" }, { path: "secrets/shop/db-prod" }],
  });

  const taken = await agent.run(["export", ...shop, "-r", recipient, "--file", binary]);
  t.match(taken, { code: 2, stderr: /exists already: --force overwrites it/ });
  const named = await agent.run(["export", "db", ...shop, "-R", join(folder, "recipients"), "--armor"]);
  t.match(named, { code: 0, stdout: /^-----BEGIN AGE ENCRYPTED FILE-----\n/ });
  t.notOk(named.stdout.includes(value));
  t.match(await agent.run(["export", "none", ...shop, "-r", recipient, "--armor"]), { code: 7 });
  const plain = await agent.run(["export", "db", ...shop, "--plain"]);
  t.match(plain, { code: 0, stderr: "1 secret exported from hsm-a, not encrypted\n" });
  t.equal(JSON.parse(plain.stdout).secrets[0].data.pass, Buffer.from(value).toString("base64"));

  const empty = await startAgent(t);
  t.match(await empty.run(["import", binary]), { code: 2, stderr: /is encrypted: give the private key/ });
  writeFileSync(join(folder, "other.txt"), await generateX25519Identity());
  const wrong = await empty.run(["import", binary, "-i", join(folder, "other.txt")]);
  t.match(wrong, { code: 2, stderr: /can't be decrypted: no identity fits/ });
  t.same(empty.seen, []);
  const imported = await empty.run(["import", binary, "-i", join(folder, "key.txt")]);
  t.match(imported, { code: 0, stdout: /\n2 created, 0 changed, 0 unchanged, 0 skipped, 0 failed\n$/ });
  t.equal(await valueAt(empty.store, "secrets/shop/db", "pass"), value);
  const got = await empty.store.read("secrets/shop/db");
  t.match(got, { metadata: { description: "the database" } });
  const fromPipe = await empty.run(["import", "-", "-i", join(folder, "key.txt")], { input: named.stdout });
  t.match(fromPipe, { code: 0, stdout: /1 unchanged/ });
});

t.test("the age program reads an export, and what it encrypts is imported", async (t) => {
  const agent = await startAgent(t);
  const folder = temporaryFolder(t);
  const identity = await generateX25519Identity();
  writeFileSync(join(folder, "key.txt"), identity);
  agent.store.put("secrets/shop/db", { pass: madeUp() });
  await agent.run([
    "export",
    ...shop,
    "-r",
    await identityToRecipient(identity),
    "-f",
    join(folder, "a.age"),
  ]);
  const plain = spawnSync("age", ["-d", "-i", join(folder, "key.txt"), join(folder, "a.age")], {
    encoding: "utf8",
  });
  t.match(JSON.parse(plain.stdout), { secrets: [{ path: "secrets/shop/db" }] });
  spawnSync("age-keygen", ["-o", join(folder, "own.txt")]);
  const own = spawnSync("age-keygen", ["-y", join(folder, "own.txt")], { encoding: "utf8" }).stdout.trim();
  const input = JSON.stringify({ token: madeUp() });
  spawnSync("age", ["-a", "-r", own, "-o", join(folder, "api.json.age")], { input });
  const imported = await agent.run([
    "import",
    join(folder, "api.json.age"),
    "-i",
    join(folder, "own.txt"),
    ...shop,
  ]);
  t.match(imported, { code: 0, stdout: /^secrets\/shop\/api created/ });
});

t.test("files of every kind, and what becomes of those that are there", async (t) => {
  const agent = await startAgent(t);
  const folder = temporaryFolder(t);
  const file = (name: string, content: unknown) => {
    writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
    return join(folder, name);
  };
  const [kept, same] = [madeUp(), madeUp()];
  agent.store.put("secrets/shop/cache", { pass: kept });
  agent.store.put("secrets/shop/mail", { pass: same });
  const files = [
    file("db.env", "USER=app\nPASS=x\n"),
    file("api.json", { key: "k", port: 1 }),
    file("many.json", { cache: { pass: "new" }, mail: { pass: same }, "team/web": { a: "1" } }),
  ];
  const dry = await agent.run(["import", ...files, ...shop, "--dry-run"]);
  t.match(dry, { code: 0, stdout: /3 created, 0 changed, 1 unchanged, 1 skipped, 0 failed \(dry run\)\n$/ });
  t.same(
    agent.seen.filter(({ method }) => method !== "GET"),
    [],
  );
  const done = await agent.run(["import", ...files, ...shop, "-o", "json"]);
  t.equal(done.code, 0, done.stderr);
  t.match(JSON.parse(done.stdout), {
    summary: { created: 3, changed: 0, unchanged: 1, skipped: 1, failed: 0 },
    results: [
      { path: "secrets/shop/db", outcome: "created" },
      { path: "secrets/shop/api", outcome: "created" },
      { path: "secrets/shop/cache", outcome: "skipped" },
      { path: "secrets/shop/mail", outcome: "unchanged" },
      { path: "secrets/shop/team/web", outcome: "created" },
    ],
  });
  t.equal(await valueAt(agent.store, "secrets/shop/cache", "pass"), kept);
  t.match(done.stderr, "imported 5 of 5\n", "without a terminal there are lines");
  const refused = await agent.run(["import", ...files, ...shop, "--if-exists=fail"]);
  t.match(refused, {
    code: 6,
    stdout: /secrets\/shop\/cache failed: [\s\S]*4 unchanged, 0 skipped, 1 failed/,
  });
  const replaced = await agent.run(["import", ...files, ...shop, "--if-exists", "replace"]);
  t.match(replaced, { code: 0, stdout: /0 created, 1 changed, 4 unchanged/ });
  t.equal(await valueAt(agent.store, "secrets/shop/cache", "pass"), "new");
  const twice = await agent.run(["import", files[0] ?? "", file("db.json", { a: "1" }), ...shop]);
  t.match(twice, { code: 2, stderr: /secrets\/shop\/db is given twice/ });
  const stdin = await agent.run(["import", "-", "--format", "env", "--name", "piped", ...shop], {
    input: "A=1\n",
  });
  t.match(stdin, { code: 0, stdout: /^secrets\/shop\/piped created/ });
});

t.test("one that fails does not stop the others; a token that is gone does", async (t) => {
  let requests = 0;
  const agent = await startAgent(t, {
    before: ({ method, url }) => {
      if (method !== "POST" || url !== "/v1/import") return;
      requests += 1;
      if (requests === 2) agent.store.fail(unavailable("TOKEN_UNAVAILABLE", "it was pulled out", 1));
    },
  });
  const folder = temporaryFolder(t);
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`s${index}`, { a: madeUp() }]));
  writeFileSync(join(folder, "many.json"), JSON.stringify(many));
  const cut = await agent.run(["import", join(folder, "many.json"), ...shop]);
  t.match(cut, { code: 6, stdout: /5 created, 0 changed, 0 unchanged, 0 skipped, 5 failed, 2 not sent\n$/ });
  t.match(cut.stdout, /secrets\/shop\/s5 failed: it was pulled out/);
  t.match(cut.stderr, /Run it again to go on/);
  t.equal(requests, 2, "the third request is not made");
  agent.store.fail();
  const again = await agent.run(["import", join(folder, "many.json"), ...shop]);
  t.match(again, { code: 0, stdout: /7 created, 0 changed, 5 unchanged/ });
});

t.test("repack moves what is not there yet, and goes on where it was cut off", async (t) => {
  let requests = 0;
  const agent = await startAgent(t, {
    before: ({ url }) => {
      if (url !== "/v1/repack") return;
      requests += 1;
      if (requests === 2) agent.store.fail(unavailable("TIMEOUT", "it hangs", 1));
    },
  });
  const layouts = async () => {
    const listed = await agent.store.list("");
    return listed.kind === "listed" ? listed.secrets.map(({ layout }) => layout) : [];
  };
  for (let index = 0; index < 8; index += 1) {
    agent.store.put(
      `secrets/shop/s${index}`,
      { a: madeUp() },
      { layout: index === 0 ? "packed" : "per-key" },
    );
  }
  agent.store.put("secrets/other/x", { a: "1" }, { layout: "per-key" });
  const dry = await agent.run(["repack", ...shop, "--dry-run"]);
  t.match(dry, { code: 0, stdout: /7 repacked, 1 unchanged, 0 failed \(dry run\)/ });
  const cut = await agent.run(["repack", ...shop, "--yes"]);
  t.match(cut, { code: 6, stdout: /5 repacked, 1 unchanged, 2 failed\n$/, stderr: /Run it again to go on/ });
  agent.store.fail();
  const again = await agent.run(["repack", ...shop, "--yes"]);
  t.match(again, { code: 0, stdout: /2 repacked, 6 unchanged, 0 failed\n$/ });
  t.equal((await layouts()).filter((layout) => layout === "per-key").length, 1, "other namespaces are left");
  const back = await agent.run(["repack", "s1", ...shop, "--layout=per-key", "--yes", "-o", "json"]);
  t.match(JSON.parse(back.stdout), { summary: { repacked: 1 }, results: [{ path: "secrets/shop/s1" }] });
  t.match(await agent.run(["repack", "none", ...shop, "--yes"]), { code: 7 });
  t.match(await agent.run(["repack", "-A", "--yes"]), { code: 0, stdout: /2 repacked, 7 unchanged/ });
});

t.test("an agent that is not there, refuses, or is something else", async (t) => {
  const agent = await startAgent(t, { readOnly: true });
  agent.store.put("secrets/shop/db", { a: "1" });
  const literal = ["update", "db", "--from-literal=a=2", ...shop];
  t.match(await agent.run(literal), { code: 4, stderr: /UNAUTHENTICATED|FORBIDDEN/ });
  const reading = { KEYSWITCH_TOKEN_FILE: agent.readTokenFile };
  t.match(await agent.run(literal, { env: reading }), { code: 4, stderr: /needs the agent's write token/ });
  t.match(await agent.run(["get", "db", ...shop], { env: reading }), { code: 0 });
  const gone = { KEYSWITCH_SERVER: "http://127.0.0.1:1" };
  t.match(await agent.run(["get", "db", ...shop], { env: gone }), {
    code: 3,
    stderr: /refused the connection/,
  });
  agent.store.fail(unavailable("PIN_LOCKED", "the PIN is\u001b[31m locked"));
  const locked = await agent.run(["get", "db", ...shop], { env: reading });
  t.match(locked, { code: 3, stderr: /PIN_LOCKED/ });
  t.notOk(locked.stderr.includes("\u001b"));
  const health = await agent.run(["health"], { env: reading });
  t.match(health, { code: 3, stdout: /agent: +alive\nready: +no: PIN_LOCKED/ });
  agent.store.fail();
  const well = await agent.run(["health", "-o", "json"], { env: reading });
  t.match(JSON.parse(well.stdout), {
    alive: true,
    ready: true,
    info: { device: "hsm-a", objects: 1, layout: "packed" },
  });
});
