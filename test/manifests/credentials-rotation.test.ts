// SPDX-License-Identifier: Apache-2.0
// Tests scripts/credentials.sh --rotate and --rotate-tokens: the order of writes, waits and reloads of Metacontroller, and that
// any two consecutive states of the Secrets are compatible.
import { randomBytes, X509Certificate } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { cluster } from "./credentials-cluster.ts";

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
const certificates = (pem: string): X509Certificate[] =>
  pem
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .flatMap((text) => (text.includes("BEGIN CERTIFICATE") ? [new X509Certificate(text)] : []));

type Value = ReturnType<typeof cluster>["value"];
/** The credentials of one state of the Secrets: of now, or of the nth wait. */
const stateOf = (value: Value, wait?: number) => {
  const tokens = (secret: string, key: string) => lines(value(secret, key, wait));
  return {
    sent: {
      hook: value("keyswitch-hook-token", "token", wait),
      read: tokens("keyswitch-agent-token", "read")[0] ?? "",
      write: tokens("keyswitch-agent-token", "write")[0] ?? "",
    },
    accepted: {
      hook: tokens("keyswitch-hook-token", "accepted"),
      read: tokens("keyswitch-agent-token", "read"),
      write: tokens("keyswitch-agent-token", "write"),
    },
    shown: {
      webhook: new X509Certificate(value("keyswitch-webhook-tls", "tls.crt", wait)),
      agent: new X509Certificate(value("keyswitch-agent-tls", "tls.crt", wait)),
    },
    trusted: {
      webhook: certificates(value("keyswitch-webhook-tls", "ca.crt", wait)),
      agent: certificates(value("keyswitch-agent-tls", "ca.crt", wait)),
    },
  };
};
type State = ReturnType<typeof stateOf>;

/** What one side with the credentials of `one` and the other with those of `other` would refuse. */
const refusals = (one: State, other: State): string[] => [
  ...(["hook", "read", "write"] as const).filter((name) => !other.accepted[name].includes(one.sent[name])),
  ...(["webhook", "agent"] as const).filter(
    (name) => !other.trusted[name].some((ca) => one.shown[name].verify(ca.publicKey)),
  ),
];

const ADD_AND_WAIT = ["applied", "applied", "waited 120"];

t.test("--apply --rotate has both sides know the new ones before one uses them", async (t) => {
  const { run, folder, value, file } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  const first = stateOf(value);
  const { code, stderr } = run("--apply", "--rotate", "--only", "tls,tokens");
  t.equal(code, 0, stderr);
  t.same(lines(file("cluster/.log")), [
    "created",
    ...ADD_AND_WAIT,
    // Both CAs, long after they were written.
    ...["reread credentials-1", "waited 10", "applied", "applied"],
    ...["waited 10", "reread credentials-2", "waited 120"],
    // The new token, long after it was written.
    ...["reread credentials-3", "waited 10", "applied", "applied"],
    ...["waited 10", "reread credentials-4"],
  ]);
  const states = [first, ...[1, 2, 3, 4, 5, 6].map((wait) => stateOf(value, wait)), stateOf(value)];
  for (const [index, state] of states.entries()) {
    const next = states[index + 1] ?? state;
    t.same(refusals(state, state), [], `state ${index}`);
    t.same(refusals(state, next), [], `state ${index} sends to ${index + 1}`);
    t.same(refusals(next, state), [], `state ${index + 1} sends to ${index}`);
    t.match(state.sent.hook, /^[0-9a-f]{64}$/, "Metacontroller could start at any time");
  }
  const last = stateOf(value);
  t.same(refusals(first, last), ["hook", "read", "write", "webhook", "agent"], "the old ones are refused");
  t.same(refusals(last, first), ["hook", "read", "write", "webhook", "agent"], "and all are new");
  t.same([last.accepted.hook.length, last.accepted.read.length, last.trusted.webhook.length], [1, 1, 1]);
  const keys = [value("keyswitch-webhook-tls", "tls.key"), value("keyswitch-webhook-tls", "tls.key", 1)];
  const secrets = [...states.flatMap(({ accepted }) => Object.values(accepted).flat()), ...keys];
  t.notOk(secrets.some((secret) => file("argv").includes(secret) || stderr.includes(secret)));
});

for (const { what, args, log } of [
  {
    what: "certificates alone",
    args: ["--only", "tls"],
    log: [
      ...["applied", "waited 120", "reread credentials-1", "waited 10", "applied", "waited 120"],
      ...["applied", "waited 10", "reread credentials-2"],
    ],
  },
  {
    what: "tokens alone, and another time for pods",
    args: ["--only", "tokens", "--wait", "300"],
    log: [
      ...["applied", "waited 300", "applied", "waited 10", "reread credentials-1", "waited 300"],
      ...["reread credentials-2", "waited 10", "applied"],
    ],
  },
]) {
  t.test(`--apply --rotate: ${what}`, async (t) => {
    const { run, folder, file } = cluster(t);
    run("--apply", "--pin-file", join(folder, "pin"));
    const { code, stderr } = run("--apply", "--rotate", ...args);
    t.equal(code, 0, stderr);
    t.same(lines(file("cluster/.log")), ["created", ...log]);
    t.match(stderr, /Step add is done. Waiting \d+ s.*Step use is done/s);
  });
}

t.test("the token for roles is rotated with the others, and each one sent is taken", async (t) => {
  const { run, value, file } = cluster(t);
  run("--apply", "--only", "tokens,role");
  const tokens = (wait?: number) => lines(value("keyswitch-role-token", "role", wait));
  const first = tokens();
  t.equal(run("--apply", "--rotate", "--only", "tokens").code, 0);
  const waits = lines(file("cluster/.log")).filter((line) => line.startsWith("waited"));
  const states = [first, ...waits.map((_, index) => tokens(index + 1)), tokens()];
  for (const [index, next] of states.slice(1).entries()) {
    const state = states[index] ?? [];
    t.ok(next.includes(state[0] ?? "none"), `state ${index} sends to ${index + 1}`);
    t.ok(state.includes(next[0] ?? "none"), `state ${index + 1} sends to ${index}`);
  }
  t.equal(tokens().length, 1);
  t.notSame(tokens(), first);
});

t.test("with the CA that is trusted already, new certificates need no step and no reading", async (t) => {
  const { run, folder, value, file } = cluster(t);
  const keep = ["--keep-ca", join(folder, "ca")];
  run("--apply", "--pin-file", join(folder, "pin"), ...keep);
  const before = stateOf(value);
  const { code, stderr } = run("--apply", "--rotate", "--only", "tls", ...keep);
  t.equal(code, 0, stderr);
  t.same(lines(file("cluster/.log")), ["created", "applied"]);
  t.not(stateOf(value).shown.webhook.serialNumber, before.shown.webhook.serialNumber);
  t.same(refusals(stateOf(value), before), []);
});

t.test("where a Secret is missing, all of its part are made at once, and read", async (t) => {
  const { run, folder, value, file } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  rmSync(join(folder, "cluster/keyswitch-hook-token"));
  const { code, stderr } = run("--apply", "--rotate", "--only", "tokens");
  t.equal(code, 0, stderr);
  t.same(lines(file("cluster/.log")), ["created", "applied", "waited 10", "reread credentials-1"]);
  t.same(refusals(stateOf(value), stateOf(value)), []);
});

t.test("when Metacontroller can't be told to read, nothing that it sends is refused", async (t) => {
  const { run, folder, value } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  run("--apply", "--rotate-tokens", "add");
  run("--apply", "--rotate-tokens", "use");
  const before = stateOf(value);
  const kubectl = readFileSync(join(folder, "real/kubectl"), "utf8");
  writeFileSync(
    join(folder, "real/kubectl"),
    kubectl.replace(/"patch compositecontroller [^)]*\)/, "$& exit 1;"),
  );
  t.equal(run("--apply", "--rotate-tokens", "drop").code, 1);
  t.same(stateOf(value).accepted, before.accepted);
});

for (const [found, set] of [
  ["", "credentials-1"],
  ["credentials-", "credentials-1"],
  ["credentials-08", "credentials-9"],
  ["/hooks", "credentials-1"],
  ["credentials-41", "credentials-42"],
]) {
  t.test(`--reread alone, where the path is "${found}"`, async (t) => {
    const { run, folder, file } = cluster(t);
    writeFileSync(join(folder, "cluster/.path"), found ?? "");
    const { code, stderr } = run("--reread");
    t.equal(code, 0, stderr);
    t.equal(file("cluster/.path"), set);
    t.equal(file("cluster/.log"), `reread ${set}\n`);
  });
}

t.test(
  "--reread does nothing where there is no Metacontroller, and fails where it can't be seen",
  async (t) => {
    const { run, folder, file } = cluster(t);
    for (const [script, code] of [
      ['echo "{\\"groups\\":[]}"', 0],
      ["exit 1", 1],
    ] as const) {
      writeFileSync(join(folder, "real/kubectl"), `#!/bin/sh\n${script}\n`);
      t.equal(run("--reread").code, code);
      t.equal(file("cluster/.log"), "");
    }
  },
);

t.test("--rotate-tokens goes a step at a time", async (t) => {
  const { run, folder, value, file } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  const first = stateOf(value);
  t.equal(run("--apply", "--rotate-tokens", "add").code, 0);
  const added = stateOf(value);
  t.same(added.sent, first.sent, "the old ones are sent");
  t.same([added.accepted.hook.length, added.accepted.read.length, added.accepted.write.length], [2, 2, 2]);

  const again = run("--apply", "--rotate-tokens", "add");
  t.equal(again.code, 1);
  t.match(again.stderr, /already holds two tokens: go on with --rotate-tokens use/);
  t.same(stateOf(value).accepted, added.accepted);

  t.equal(run("--apply", "--rotate-tokens", "use").code, 0);
  const used = stateOf(value);
  t.same(Object.values(used.sent), [added.accepted.hook[1], added.accepted.read[1], added.accepted.write[1]]);
  t.same(used.accepted.hook, [...added.accepted.hook].reverse());

  t.equal(run("--apply", "--rotate-tokens", "drop").code, 0);
  t.same(stateOf(value).accepted, {
    hook: [used.sent.hook],
    read: [used.sent.read],
    write: [used.sent.write],
  });
  t.same(lines(file("cluster/.log")), [
    ...["created", "applied", "applied", "waited 10", "reread credentials-1"],
    ...["reread credentials-2", "waited 10", "applied"],
  ]);
});

t.test("--rotate-tokens drop straight after add takes the new ones back", async (t) => {
  const { run, folder, value } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  const first = stateOf(value);
  run("--apply", "--rotate-tokens", "add");
  t.equal(run("--apply", "--rotate-tokens", "drop").code, 0);
  t.same(stateOf(value).accepted, first.accepted);
});

t.test("a hook's Secret with one key for both is rotated like another", async (t) => {
  const { run, folder, value } = cluster(t);
  run("--apply", "--pin-file", join(folder, "pin"));
  const { hook } = stateOf(value).sent;
  writeFileSync(
    join(folder, "cluster/keyswitch-hook-token"),
    `token: ${Buffer.from(hook).toString("base64")}\n`,
  );
  t.equal(run("--apply", "--rotate-tokens", "add").code, 0);
  t.equal(stateOf(value).sent.hook, hook);
  t.equal(stateOf(value).accepted.hook[0], hook);
});

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
