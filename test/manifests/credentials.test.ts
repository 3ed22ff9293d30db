// SPDX-License-Identifier: Apache-2.0
// Tests scripts/credentials.sh: certificates that verify, files of mode 0600, no secret in its output, no overwriting.
import { execFileSync, spawn } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { credentials, secretsIn } from "./credentials.ts";
import { root } from "./rendered.ts";

const FILES = [
  "agent-read-token",
  "agent-write-token",
  "agent.crt",
  "agent.key",
  "ca.crt",
  "hook-token",
  "webhook.crt",
  "webhook.key",
];

t.test("--dir writes the files of a local run, which verify", async (t) => {
  const dir = join(t.testdir(), "credentials");
  const { code, stdout, stderr } = credentials(["--dir", dir]);
  t.equal(code, 0, stderr);
  t.equal(stdout + stderr, "");
  t.same(readdirSync(dir).sort(), FILES);
  for (const file of FILES) t.equal(statSync(join(dir, file)).mode & 0o777, 0o600, file);
  const ca = new X509Certificate(readFileSync(join(dir, "ca.crt")));
  t.ok(ca.ca);
  for (const service of ["webhook", "agent"]) {
    const crt = join(dir, `${service}.crt`);
    execFileSync("openssl", [
      "verify",
      "-x509_strict",
      "-purpose",
      "sslserver",
      "-CAfile",
      join(dir, "ca.crt"),
      crt,
    ]);
    const certificate = new X509Certificate(readFileSync(crt));
    t.notOk(certificate.ca);
    const host = `keyswitch-${service}`;
    for (const name of [host, `${host}.keyswitch.svc`, `${host}.keyswitch.svc.cluster.local`, "localhost"]) {
      t.ok(certificate.checkHost(name), name);
    }
    for (const address of ["127.0.0.1", "::1"]) t.ok(certificate.checkIP(address), address);
    const key = execFileSync("openssl", ["pkey", "-pubout", "-in", join(dir, `${service}.key`)], {
      encoding: "utf8",
    });
    t.equal(key, certificate.publicKey.export({ type: "spki", format: "pem" }), "the key fits");
  }
  const tokens = ["hook-token", "agent-read-token", "agent-write-token"].map((file) =>
    readFileSync(join(dir, file), "utf8"),
  );
  for (const token of tokens) t.match(token, /^[0-9a-f]{64}$/);
  t.equal(new Set(tokens).size, 3);
});

t.test("a second --dir refuses and changes nothing; --rotate replaces everything", async (t) => {
  const dir = join(t.testdir(), "credentials");
  credentials(["--dir", dir]);
  const content = () => FILES.map((file) => readFileSync(join(dir, file), "utf8"));
  const before = content();
  const refused = credentials(["--dir", dir]);
  t.equal(refused.code, 1);
  t.match(refused.stderr, /exists: nothing was changed/);
  t.same(content(), before);
  t.equal(credentials(["--dir", dir, "--rotate"]).code, 0);
  const after = content();
  for (const [index, file] of FILES.entries()) t.not(after[index], before[index], file);
});

t.test(
  "the printed Secrets are those of the manifests, with the PIN as it is in the file but for its newline",
  async (t) => {
    const pin = randomBytes(8).toString("hex");
    const folder = t.testdir({ pin: `${pin}\n` });
    const made = secretsIn(credentials(["--pin-file", join(folder, "pin"), "--namespace", "other"]).stdout);
    t.same(
      [...made].map(([name, { type, data }]) => [name, type, [...data.keys()]]),
      [
        ["keyswitch-webhook-tls", "kubernetes.io/tls", ["tls.crt", "tls.key", "ca.crt"]],
        ["keyswitch-agent-tls", "kubernetes.io/tls", ["tls.crt", "tls.key", "ca.crt"]],
        ["keyswitch-hook-token", "Opaque", ["token", "accepted"]],
        ["keyswitch-agent-token", "Opaque", ["read", "write"]],
        ["keyswitch-pkcs11", "Opaque", ["pin"]],
      ],
    );
    t.equal(made.get("keyswitch-pkcs11")?.data.get("pin")?.toString(), pin);
    const hook = made.get("keyswitch-hook-token")?.data;
    t.same(hook?.get("accepted"), hook?.get("token"), "the webhook accepts what Metacontroller sends");
    const certificate = new X509Certificate(made.get("keyswitch-webhook-tls")?.data.get("tls.crt") ?? "");
    t.ok(certificate.checkHost("keyswitch-webhook.other.svc"));
    t.notOk(certificate.checkHost("localhost"), "a certificate for a cluster is not one for localhost");
  },
);

t.test(
  "the bot's certificate and the token for its metrics are made when they are asked for, alone or with the others",
  async (t) => {
    const made = secretsIn(credentials(["--only", "bot", "--san", "bot=bot.example.org"]).stdout);
    t.same(
      [...made].map(([name, { type, data }]) => [name, type, [...data.keys()]]),
      [
        ["keyswitch-bot-tls", "kubernetes.io/tls", ["tls.crt", "tls.key", "ca.crt"]],
        ["keyswitch-bot-metrics", "Opaque", ["token"]],
      ],
    );
    const certificate = new X509Certificate(made.get("keyswitch-bot-tls")?.data.get("tls.crt") ?? "");
    for (const name of ["keyswitch-bot.keyswitch.svc", "bot.example.org"]) {
      t.ok(certificate.checkHost(name), name);
    }
    t.match(made.get("keyswitch-bot-metrics")?.data.get("token")?.toString(), /^[0-9a-f]{64}$/);
    const both = secretsIn(credentials(["--only", "tls,bot"]).stdout);
    const authorities = [...both.values()].flatMap(({ data }) => data.get("ca.crt")?.toString() ?? []);
    t.equal(authorities.length, 3);
    t.equal(new Set(authorities).size, 1, "one authority signs all");
  },
);

t.test("discovery's certificate and token are made when they are asked for", async (t) => {
  const made = secretsIn(
    credentials(["--only", "discovery", "--san", "discovery=discovery.example.org"]).stdout,
  );
  t.same(
    [...made].map(([name, { type, data }]) => [name, type, [...data.keys()]]),
    [
      ["keyswitch-discovery-tls", "kubernetes.io/tls", ["tls.crt", "tls.key", "ca.crt"]],
      ["keyswitch-discovery-token", "Opaque", ["read"]],
    ],
  );
  const certificate = new X509Certificate(made.get("keyswitch-discovery-tls")?.data.get("tls.crt") ?? "");
  for (const name of ["keyswitch-discovery.keyswitch.svc", "discovery.example.org"]) {
    t.ok(certificate.checkHost(name), name);
  }
  t.match(made.get("keyswitch-discovery-token")?.data.get("read")?.toString(), /^[0-9a-f]{64}$/);
});

t.test("the token for roles is in a Secret of its own, made when it is asked for", async (t) => {
  const made = secretsIn(credentials(["--only", "tokens,role"]).stdout);
  t.same(
    [...made].map(([name, { type, data }]) => [name, type, [...data.keys()]]),
    [
      ["keyswitch-hook-token", "Opaque", ["token", "accepted"]],
      ["keyswitch-agent-token", "Opaque", ["read", "write"]],
      ["keyswitch-role-token", "Opaque", ["role"]],
    ],
  );
  const tokens = [...made.values()].flatMap(({ data }) => [...data.values()].map(String));
  for (const token of tokens) t.match(token, /^[0-9a-f]{64}$/);
  t.equal(new Set(tokens).size, 4, "none is another's; Metacontroller's is there twice");
});

t.test("with --dir discovery's files are there, with the CA once", async (t) => {
  const folder = t.testdir({});
  for (const [only, files] of [
    ["discovery", ["ca.crt", "discovery-read-token", "discovery.crt", "discovery.key"]],
    ["bot", ["bot-metrics-token", "bot.crt", "bot.key", "ca.crt"]],
    ["role", ["role-token"]],
  ] as const) {
    credentials(["--only", only, "--dir", join(folder, only)]);
    t.same(readdirSync(join(folder, only)).sort(), files);
  }
});

t.test("--san adds names and addresses, to one server or to both", async (t) => {
  const folder = t.testdir({ pin: "x" });
  const made = secretsIn(
    credentials(["--only", "tls", "--san", "agent=keyswitch-agent-a.keyswitch.svc", "--san", "192.0.2.7"])
      .stdout,
  );
  const of = (name: string) => new X509Certificate(made.get(name)?.data.get("tls.crt") ?? "");
  t.ok(of("keyswitch-agent-tls").checkHost("keyswitch-agent-a.keyswitch.svc"));
  t.notOk(of("keyswitch-webhook-tls").checkHost("keyswitch-agent-a.keyswitch.svc"));
  t.ok(of("keyswitch-agent-tls").checkIP("192.0.2.7"));
  t.ok(of("keyswitch-webhook-tls").checkIP("192.0.2.7"));
  t.ok(existsSync(folder));
});

t.test("the CA's key is thrown away, unless --keep-ca says where it is kept for the next time", async (t) => {
  const folder = t.testdir({ tmp: {} });
  const env = { TMPDIR: join(folder, "tmp") };
  credentials(["--dir", join(folder, "a")], env);
  t.same(readdirSync(env.TMPDIR), [], "nothing is left in the temporary folder");
  const kept = join(folder, "ca");
  credentials(["--dir", join(folder, "b"), "--keep-ca", kept]);
  t.equal(statSync(join(kept, "ca.key")).mode & 0o777, 0o600);
  credentials(["--dir", join(folder, "c"), "--keep-ca", kept]);
  const read = (name: string) => readFileSync(join(folder, name, "ca.crt"), "utf8");
  t.equal(read("b"), read("c"));
  t.not(read("a"), read("b"));
});

for (const [args, message] of [
  [["--only", "tls,pins"], /--only knows tls, tokens, pin, bot, discovery, role and write, not pins/],
  [["--apply", "--rotate", "--only", "role"], /replaced with the others, by --rotate --only tokens/],
  [["--san", "a b"], /--san: not a DNS name/],
  [["--san", "hsm=x"], /SERVICE must be webhook, agent, bot or discovery/],
  [["--apply", "--dir", "x"], /exclude each other/],
  [["--days", "many"], /--days must be a number/],
  [["--namespace", "A"], /--namespace: not a namespace's name/],
  [["--rotate-tokens", "add"], /needs --apply/],
  [["--dir"], /--dir needs a value/],
  [["--apply", "--reread"], /exclude each other/],
  [["--reread", "--rotate"], /--rotate goes with --apply or --dir/],
  [["--wait", "2m"], /--wait must be a number of seconds/],
  [["--pin", "1234"], /unknown option: --pin\b/],
  [["--only", "pin"], /no terminal to ask for the PIN: use --pin-file/],
  [["--pin-file", "/nonexistent"], /--pin-file: \/nonexistent can't be read/],
] as const) {
  t.test(`${args.join(" ")} is refused, and says why`, async (t) => {
    const { code, stdout, stderr } = credentials(args);
    t.equal(code, 1);
    t.equal(stdout, "");
    t.match(stderr, message);
  });
}

t.test("an empty PIN is refused", async (t) => {
  const folder = t.testdir({ pin: "\n" });
  const { code, stderr } = credentials(["--only", "pin", "--pin-file", join(folder, "pin")]);
  t.equal(code, 1);
  t.match(stderr, /the PIN is empty/);
});

t.test("on a terminal the PIN is asked for and not shown, and Secrets are not printed", async (t) => {
  const folder = t.testdir();
  const pin = randomBytes(8).toString("hex");
  const script = join(root, "scripts/credentials.sh");
  writeFileSync(
    join(folder, "run.sh"),
    `${script} --only tokens; echo "printed: $?"; ${script} --only pin >${folder}/secret.yaml; echo "asked: $?"\n`,
  );
  // script(1) runs it on a terminal of its own.
  const child = spawn("script", ["-qec", `bash ${folder}/run.sh`, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let screen = "";
  let answered = 0;
  for await (const chunk of child.stdout) {
    screen += String(chunk);
    const prompts = screen.match(/not shown\): |Once more: /g)?.length ?? 0;
    for (; answered < prompts; answered += 1) child.stdin.write(`${pin}\n`);
    if (screen.includes("asked:")) child.stdin.end();
  }
  t.match(screen, /standard output is a terminal.*printed: 1/s);
  t.match(screen, /asked: 0/);
  t.notMatch(screen, pin);
  const made = secretsIn(readFileSync(join(folder, "secret.yaml"), "utf8"));
  t.equal(made.get("keyswitch-pkcs11")?.data.get("pin")?.toString(), pin);
});
