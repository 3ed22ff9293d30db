// SPDX-License-Identifier: Apache-2.0
// Tests scripts/credentials.sh against a cluster: what it creates, rejects and replaces, and what other processes can see of
// it.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { cluster } from "./credentials-cluster.ts";

const KEYS = [
  ["keyswitch-webhook-tls", "tls.key"],
  ["keyswitch-agent-tls", "tls.key"],
  ["keyswitch-hook-token", "token"],
  ["keyswitch-agent-token", "read"],
  ["keyswitch-agent-token", "write"],
  ["keyswitch-pkcs11", "pin"],
] as const;

t.test("--apply creates the Secrets, and no value is on the terminal or in an argument", async (t) => {
  const { run, folder, pin, value, file } = cluster(t);
  const { code, stdout, stderr } = run("--apply", "--pin-file", join(folder, "pin"));
  t.equal(code, 0, stderr);
  t.equal(file("cluster/.log"), "created\n");
  t.equal(value("keyswitch-pkcs11", "pin"), pin);
  const seen = stdout + stderr + file("argv");
  t.match(seen, "openssl x509", "arguments were noted");
  for (const [secret, key] of KEYS) {
    const text = value(secret, key);
    t.ok(text.length >= 16, `${secret}/${key} is there`);
    t.notOk(seen.includes(text), `${secret}/${key}`);
    t.notOk(seen.includes(Buffer.from(text).toString("base64")), `${secret}/${key} in base64`);
    for (const line of text.split("\n").filter((line) => line.length > 20 && !line.startsWith("---"))) {
      t.notOk(seen.includes(line), `a line of ${secret}/${key}`);
    }
  }
});

t.test(
  "a PIN file that the agent would refuse, or that holds more than the PIN, makes no Secret",
  async (t) => {
    const { run, folder, pin, file } = cluster(t);
    const rows: [contents: string, message: RegExp][] = [
      [`${pin}\n${pin}`, /more than one line/],
      [`${pin}\n${pin}\n`, /more than one line/],
      [`${pin}\n\n`, /more than one line/],
      [`${pin} \n`, /ends with a blank/],
      [` ${pin}\n`, /begins or ends with a blank/],
      [`${pin}\0\n`, /control character/],
    ];
    for (const [contents, message] of rows) {
      writeFileSync(join(folder, "pin"), contents);
      const { code, stderr } = run("--apply", "--pin-file", join(folder, "pin"));
      t.equal(code, 1);
      t.match(stderr, message);
      t.equal(file("cluster/.log"), "");
    }
    writeFileSync(join(folder, "pin"), `${pin}\r\n`);
    t.equal(run("--apply", "--pin-file", join(folder, "pin")).code, 0);
  },
);

t.test("--apply refuses where one Secret exists, and makes none", async (t) => {
  const { run, folder, file } = cluster(t);
  writeFileSync(join(folder, "cluster/keyswitch-agent-token"), "read: AAAA\n");
  const { code, stderr } = run("--apply", "--pin-file", join(folder, "pin"));
  t.equal(code, 1);
  t.match(stderr, /keyswitch\/keyswitch-agent-token exists: nothing was changed/);
  t.equal(file("cluster/.log"), "");
  t.notOk(existsSync(join(folder, "cluster/keyswitch-webhook-tls")));
});

t.test("a new PIN is not one that Metacontroller has to read", async (t) => {
  const { run, folder, value, file } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  writeFileSync(join(folder, "pin"), "another");
  t.equal(run("--apply", "--rotate", "--only", "pin", "--pin-file", join(folder, "pin")).code, 0);
  t.equal(value("keyswitch-pkcs11", "pin"), "another");
  t.equal(file("cluster/.log"), "created\napplied\n");
});

t.test(
  "--only write makes the token for writing where there is none, and replaces it with --rotate",
  async (t) => {
    const { run, folder, value, file } = cluster(t);
    run("--apply", "--pin-file", join(folder, "pin"));
    const token = (key: string) => value("keyswitch-agent-token", key);
    const [read, first] = [token("read"), token("write")];
    const again = run("--apply", "--only", "write");
    t.equal(again.code, 1);
    t.match(again.stderr, /keyswitch\/keyswitch-agent-token has a key write: nothing was changed/);
    t.equal(token("write"), first);

    const { code, stderr } = run("--apply", "--rotate", "--only", "write");
    t.equal(code, 0, stderr);
    t.match(token("write"), /^[0-9a-f]{64}$/);
    t.not(token("write"), first);
    t.notOk(file("argv").includes(token("write")));

    writeFileSync(
      join(folder, "cluster/keyswitch-agent-token"),
      `read: ${Buffer.from(read).toString("base64")}\n`,
    );
    t.equal(run("--apply", "--only", "write").code, 0);
    t.match(token("write"), /^[0-9a-f]{64}$/);
    t.equal(token("read"), read, "the one for reading stays");

    for (const args of [
      ["--only", "write"],
      ["--apply", "--only", "write,tls"],
    ]) {
      t.equal(run(...args).code, 1, args.join(" "));
    }
  },
);

t.test("the temporary folder is empty afterwards, also when kubectl fails", async (t) => {
  const { run, folder } = cluster(t);
  writeFileSync(join(folder, "real/kubectl"), "#!/bin/sh\ncase $* in create*) exit 1;; esac\n");
  chmodSync(join(folder, "real/kubectl"), 0o755);
  mkdirSync(join(folder, "tmp"), { recursive: true });
  t.equal(run("--apply", "--pin-file", join(folder, "pin")).code, 1);
  t.equal(execFileSync("ls", ["-A", join(folder, "tmp")], { encoding: "utf8" }), "");
});
