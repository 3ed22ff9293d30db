// SPDX-License-Identifier: Apache-2.0
// Tests who may call what: token scopes, challenges, rotation, and open access on loopback alone.
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import t from "tap";
import { type AuthOptions, createAuthenticator, type Scope } from "../../server/http/auth.ts";
import { recordedLog } from "./recorded-log.ts";

const bearerToken = () => randomBytes(24).toString("base64url");
const [hook, hookBefore, read, write] = [bearerToken(), bearerToken(), bearerToken(), bearerToken()];
const root = t.testdir({ hook: `# new\n${hook}\n\n${hookBefore}\n`, read: `${read}\r\n`, write });
const at = (name: string) => join(root, name);
const socket = new Socket();
t.teardown(() => socket.destroy());

const all: AuthOptions["tokenFiles"] = [
  { variable: "HOOK_TOKEN_FILE", path: at("hook"), scopes: ["hook"] },
  { variable: "READ_TOKEN_FILE", path: at("read"), scopes: ["read"] },
  { variable: "WRITE_TOKEN_FILE", path: at("write"), scopes: ["read", "write"] },
];
const setups: Record<string, AuthOptions> = {
  tokens: { tokenFiles: all, clientCertificates: false, loopback: true },
  "nothing, on loopback": { tokenFiles: [], clientCertificates: false, loopback: true },
  "nothing, beyond loopback": { tokenFiles: [], clientCertificates: false, loopback: false },
  "a client CA": { tokenFiles: all, clientCertificates: true, loopback: true },
};

const rows: [setup: string, scope: Scope, header: string | undefined, expected: string, sentence: string][] =
  [
    ["tokens", "hook", `Bearer ${hook}`, "ok", "the first token of a file is valid"],
    ["tokens", "hook", `Bearer ${hookBefore}`, "ok", "the second token of a file is valid"],
    ["tokens", "read", `bearer  ${read} `, "ok", "the scheme's case and blanks around do not matter"],
    ["tokens", "read", `Bearer ${write}`, "ok", "a write token reads"],
    ["tokens", "write", `Bearer ${write}`, "ok", "a write token writes"],
    ["tokens", "write", `Bearer ${read}`, "FORBIDDEN", "a read token does not write"],
    ["tokens", "hook", `Bearer ${write}`, "FORBIDDEN", "a write token calls no hook"],
    ["tokens", "metrics", `Bearer ${hook}`, "ok", "any token reads metrics"],
    ["tokens", "metrics", undefined, "UNAUTHENTICATED", "metrics need a token where there are tokens"],
    ["tokens", "open", undefined, "ok", "an open route needs nothing"],
    ["tokens", "hook", undefined, "UNAUTHENTICATED", "no header is no credentials"],
    ["tokens", "hook", "", "UNAUTHENTICATED", "an empty header is no credentials"],
    ["tokens", "hook", hook, "UNAUTHENTICATED", "a token without its scheme is no credentials"],
    ["tokens", "hook", `Basic ${hook}`, "UNAUTHENTICATED", "another scheme is no credentials"],
    ["tokens", "hook", `Bearer ${hook}x`, "UNAUTHENTICATED", "a longer token is not valid"],
    ["tokens", "hook", `Bearer ${hook.slice(0, -1)}`, "UNAUTHENTICATED", "a shorter token is not valid"],
    ["tokens", "hook", "Bearer #", "UNAUTHENTICATED", "a comment is not a token"],
    ["tokens", "hook", `Bearer ${hook}, Bearer ${hook}`, "UNAUTHENTICATED", "two tokens are none"],
    ["nothing, on loopback", "read", undefined, "ok", "loopback without tokens is open"],
    ["nothing, on loopback", "write", undefined, "FORBIDDEN", "but not for writing"],
    ["nothing, on loopback", "write", `Bearer ${write}`, "FORBIDDEN", "whatever token is sent"],
    ["nothing, beyond loopback", "read", undefined, "UNAUTHENTICATED", "elsewhere nothing is open"],
    [
      "a client CA",
      "hook",
      `Bearer ${hook}`,
      "CLIENT_CERTIFICATE_REQUIRED",
      "a token does not stand in for a certificate",
    ],
  ];
for (const [setup, scope, header, expected, sentence] of rows) {
  t.test(`${setup}: ${sentence}`, async (t) => {
    const decide = createAuthenticator(setups[setup] as AuthOptions, recordedLog().logger);
    const decision = decide(scope, header, socket);
    t.equal(decision.ok ? "ok" : decision.code, expected);
  });
}

t.test(
  "a token that two files hold has the name that the first of them gives it, scope by scope",
  async (t) => {
    const twice = join(t.testdir({ read: write }), "read");
    const tokenFiles = [{ variable: "READ_TOKEN_FILE", path: twice, scopes: ["read"] as const }, ...all];
    const decide = createAuthenticator(
      { tokenFiles, clientCertificates: false, loopback: true },
      recordedLog().logger,
    );
    t.match(decide("read", `Bearer ${write}`, socket), { tokenName: "READ_TOKEN_FILE:1" });
    t.match(decide("write", `Bearer ${write}`, socket), { tokenName: "WRITE_TOKEN_FILE:1" });
    t.match(decide("metrics", `Bearer ${write}`, socket), { tokenName: "READ_TOKEN_FILE:1" });
    t.match(decide("hook", `Bearer ${write}`, socket), { ok: false, tokenName: "READ_TOKEN_FILE:1" });
  },
);

t.test("challenges say what is wrong with the token", async (t) => {
  const decide = createAuthenticator(setups.tokens as AuthOptions, recordedLog().logger);
  t.match(decide("hook", undefined, socket), { challenge: 'Bearer realm="keyswitch"' });
  t.match(decide("hook", "Bearer x", socket), {
    challenge: 'Bearer realm="keyswitch", error="invalid_token"',
  });
  t.match(decide("write", `Bearer ${read}`, socket), {
    challenge: 'Bearer realm="keyswitch", error="insufficient_scope"',
  });
});

t.test(
  "a rotated token counts within a second, and a file that goes or empties keeps the old ones",
  async (t) => {
    const [first, second] = [bearerToken(), bearerToken()];
    const path = join(t.testdir({ token: first }), "token");
    let now = 0;
    const log = recordedLog();
    const decide = createAuthenticator(
      {
        tokenFiles: [{ variable: "HOOK_TOKEN_FILE", path, scopes: ["hook"] }],
        clientCertificates: false,
        loopback: true,
        now: () => now,
      },
      log.logger,
    );
    const may = (value: string) => {
      now += 1000;
      return decide("hook", `Bearer ${value}`, socket).ok;
    };
    writeFileSync(path, `${second}\n${first}\n`);
    t.ok(may(second) && may(first), "both count while both are there");
    writeFileSync(path, `${second}\n`);
    t.notOk(may(first), "the old one counts no more once it is gone");
    writeFileSync(path, "# soon\n");
    t.ok(may(second) && may(second), "an empty file keeps the old token");
    rmSync(path);
    t.ok(may(second) && may(second), "a missing file keeps the old token");
    const faults = log.lines.filter(({ level }) => level === "error");
    t.equal(faults.length, 2, "each state is logged once");
    t.notOk(
      [first, second].some((one) => log.text().includes(one)),
      "no token is logged",
    );
  },
);
