// SPDX-License-Identifier: Apache-2.0
// scripts/credentials.sh against a cluster: what it creates, refuses, rotates, and what other processes can see of it.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { credentials } from "./credentials.ts";
import { root } from "./rendered.ts";

const TOOLS = ["openssl", "kubectl", "cat", "cp", "mv", "sed", "tr", "rm", "mkdir", "mktemp", "date"];

/** A cluster made of files, and a PATH on which each tool notes its arguments before it runs. */
const cluster = (t: Test) => {
  const folder = t.testdir({ bin: {}, real: {}, cluster: {}, tmp: {} });
  copyFileSync(join(root, "test/manifests/fake-kubectl.sh"), join(folder, "real/kubectl"));
  for (const tool of TOOLS) {
    if (tool !== "kubectl") {
      symlinkSync(execFileSync("which", [tool], { encoding: "utf8" }).trim(), join(folder, "real", tool));
    }
    writeFileSync(
      join(folder, "bin", tool),
      `#!/bin/sh\nprintf '%s\\n' "${tool} $*" >>${folder}/argv\nexec ${folder}/real/${tool} "$@"\n`,
    );
    chmodSync(join(folder, "bin", tool), 0o755);
  }
  const env = {
    PATH: `${join(folder, "bin")}:${process.env.PATH}`,
    FAKE_CLUSTER: join(folder, "cluster"),
    TMPDIR: join(folder, "tmp"),
  };
  const pin = randomBytes(8).toString("hex");
  writeFileSync(join(folder, "pin"), pin, { mode: 0o600 });
  const value = (secret: string, key: string) => {
    const line = readFileSync(join(folder, "cluster", secret), "utf8")
      .split("\n")
      .find((text) => text.startsWith(`${key}: `));
    return Buffer.from(line?.slice(key.length + 2) ?? "", "base64").toString();
  };
  const file = (name: string) => {
    const path = join(folder, name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  };
  return { run: (...args: string[]) => credentials(args, env), folder, pin, value, file };
};

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

t.test("--apply refuses where one Secret exists, and makes none", async (t) => {
  const { run, folder, file } = cluster(t);
  writeFileSync(join(folder, "cluster/keyswitch-agent-token"), "read: AAAA\n");
  const { code, stderr } = run("--apply", "--pin-file", join(folder, "pin"));
  t.equal(code, 1);
  t.match(stderr, /keyswitch\/keyswitch-agent-token exists: nothing was changed/);
  t.equal(file("cluster/.log"), "");
  t.notOk(existsSync(join(folder, "cluster/keyswitch-webhook-tls")));
});

t.test("--apply --rotate replaces them and touches the CompositeController", async (t) => {
  const { run, folder, value, file } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  const before = KEYS.slice(0, 5).map(([secret, key]) => value(secret, key));
  const { code, stderr } = run("--apply", "--rotate", "--only", "tls,tokens");
  t.equal(code, 0, stderr);
  t.equal(file("cluster/.log"), "created\napplied\ntouched\n");
  for (const [index, [secret, key]] of KEYS.slice(0, 5).entries()) t.not(value(secret, key), before[index]);
});

t.test("a new PIN does not touch the CompositeController", async (t) => {
  const { run, folder, value, file } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  writeFileSync(join(folder, "pin"), "another");
  t.equal(run("--apply", "--rotate", "--only", "pin", "--pin-file", join(folder, "pin")).code, 0);
  t.equal(value("keyswitch-pkcs11", "pin"), "another");
  t.equal(file("cluster/.log"), "created\napplied\n");
});

t.test(
  "--rotate-tokens: at each step, what a client sends is what a server of this step or the last accepts",
  async (t) => {
    const { run, folder, value, file } = cluster(t);
    run("--apply", "--pin-file", join(folder, "pin"));
    const read = () => ({
      hook: value("keyswitch-hook-token", "token").split("\n"),
      agent: value("keyswitch-agent-token", "read").split("\n"),
      write: value("keyswitch-agent-token", "write").split("\n"),
    });
    const first = read();
    t.same([first.hook.length, first.agent.length, first.write.length], [1, 1, 1]);

    t.equal(run("--apply", "--rotate-tokens", "add").code, 0);
    const added = read();
    t.same([added.hook.length, added.agent.length, added.write.length], [2, 2, 2]);
    t.equal(added.agent[0], first.agent[0], "the webhook goes on with the old token");
    t.equal(added.write[0], first.write[0], "and writes with the old one");
    t.equal(added.hook[0], first.hook[0]);
    t.notMatch(file("cluster/.log"), "touched", "Metacontroller goes on with the old token");

    const again = run("--apply", "--rotate-tokens", "add");
    t.equal(again.code, 1);
    t.match(again.stderr, /already holds two tokens/);
    t.same(read(), added);

    t.equal(run("--apply", "--rotate-tokens", "use").code, 0);
    const used = read();
    t.same(used.hook, [added.hook[1]], "one line, because Metacontroller sends all of it");
    t.same(used.agent, [added.agent[1], added.agent[0]], "the webhook sends the new one, agents take both");
    t.same(used.write, [added.write[1], added.write[0]], "and so for writing");
    t.match(file("cluster/.log"), /touched\n$/);

    t.equal(run("--apply", "--rotate-tokens", "drop").code, 0);
    t.same(read(), { hook: [added.hook[1]], agent: [added.agent[1]], write: [added.write[1]] });
  },
);

t.test("--rotate-tokens leaves tokens that have somebody's name", async (t) => {
  const { run, folder, value } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  const write = () => value("keyswitch-agent-token", "write").split("\n");
  const [first = ""] = write();
  const named = `alice:${randomBytes(32).toString("hex")}`;
  const read = Buffer.from(value("keyswitch-agent-token", "read")).toString("base64");
  const held = Buffer.from(`${named}\n${first}\n`).toString("base64");
  writeFileSync(join(folder, "cluster/keyswitch-agent-token"), `read: ${read}\nwrite: ${held}\n`);
  t.equal(run("--apply", "--rotate-tokens", "add").code, 0);
  const [old, made = "", ...others] = write();
  t.same([old, ...others.filter((line) => line !== "")], [first, named]);
  t.equal(run("--apply", "--rotate-tokens", "use").code, 0);
  t.same(
    write().filter((line) => line !== ""),
    [made, first, named],
    "the webhook sends its own, which is the first",
  );
  t.equal(run("--apply", "--rotate-tokens", "drop").code, 0);
  t.same(
    write().filter((line) => line !== ""),
    [made, named],
  );
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
    ])
      t.equal(run(...args).code, 1, args.join(" "));
  },
);

t.test("--rotate-tokens makes no token for writing where there is none", async (t) => {
  const { run, folder, value, file } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  const read = Buffer.from(value("keyswitch-agent-token", "read")).toString("base64");
  writeFileSync(join(folder, "cluster/keyswitch-agent-token"), `read: ${read}\n`);
  for (const step of ["add", "use", "drop"]) {
    const { code, stderr } = run("--apply", "--rotate-tokens", step);
    t.equal(code, 0, stderr);
    t.notMatch(file("cluster/keyswitch-agent-token"), /^write:/m);
  }
});

t.test("--rotate-tokens use without add is refused", async (t) => {
  const { run, folder, file } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  const { code, stderr } = run("--apply", "--rotate-tokens", "use");
  t.equal(code, 1);
  t.match(stderr, /begin with --rotate-tokens add/);
  t.equal(file("cluster/.log"), "created\n");
});

t.test("the temporary folder is empty afterwards, also when kubectl fails", async (t) => {
  const { run, folder } = cluster(t);
  writeFileSync(join(folder, "real/kubectl"), "#!/bin/sh\ncase $* in create*) exit 1;; esac\n");
  chmodSync(join(folder, "real/kubectl"), 0o755);
  mkdirSync(join(folder, "tmp"), { recursive: true });
  t.equal(run("--apply", "--pin-file", join(folder, "pin")).code, 1);
  t.equal(execFileSync("ls", ["-A", join(folder, "tmp")], { encoding: "utf8" }), "");
});
