// SPDX-License-Identifier: Apache-2.0
// Tests token files: bearer tokens with and without names, and errors that name the line and never the token.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import t from "tap";
import { type FileToken, parseTokens } from "../../server/config/token-file.ts";
import { createAuthenticator } from "../../server/http/auth.ts";
import { openHttpPool } from "../../server/http/http-pool.ts";
import { recordedLog } from "../http/recorded-log.ts";

const bearerToken = () => randomBytes(24).toString("base64url");
const [one, two] = [bearerToken(), bearerToken()];

const good: [sentence: string, text: string, expected: FileToken[]][] = [
  ["a token", one, [{ bearerToken: one, line: 1 }]],
  ["a token with a name", `ci:${one}\n`, [{ bearerToken: one, name: "ci", line: 1 }]],
  [
    "several, with comments and blank lines",
    `# who\r\n\r\n ci:${one} \r\n${two}`,
    [
      { bearerToken: one, name: "ci", line: 3 },
      { bearerToken: two, line: 4 },
    ],
  ],
  ["every character of a name", `A-z_0.9:${one}`, [{ bearerToken: one, name: "A-z_0.9", line: 1 }]],
  ["a name of 63 letters", `${"a".repeat(63)}:${one}`, [{ bearerToken: one, name: "a".repeat(63), line: 1 }]],
  ["every character of a token", "ci:aA0-._~+/==", [{ bearerToken: "aA0-._~+/==", name: "ci", line: 1 }]],
];
for (const [sentence, text, expected] of good) {
  t.test(sentence, async (t) => t.same(parseTokens(Buffer.from(text)), { ok: true, value: expected }));
}

const bad: [sentence: string, text: string, message: string | RegExp][] = [
  ["nothing", "# soon\n", "holds no token"],
  ["no name before the colon", `\n:${one}`, /line 2/],
  ["no token behind the colon", "ci:", /line 1/],
  ["a blank behind the colon", `ci: ${one}`, /line 1/],
  ["two colons", `a:b:${one}`, /line 1/],
  ["a name with a blank", `the ci:${one}`, /line 1/],
  ["a name of 64 letters", `${"a".repeat(64)}:${one}`, /line 1/],
  ["two tokens in a line", `${one} ${two}`, /line 1/],
];
for (const [sentence, text, message] of bad) {
  t.test(`${sentence} is a fault`, async (t) => {
    const parsed = parseTokens(Buffer.from(text));
    t.match(parsed, { ok: false, message });
    t.notMatch(JSON.stringify(parsed), one, "which does not hold the token");
  });
}

t.test("a caller is called by the name of its token, or by file and line", async (t) => {
  const both = bearerToken();
  const root = t.testdir({ read: `${one}\nreader:${both}\n`, write: `# writers\nci:${two}\nwriter:${both}` });
  const log = recordedLog();
  const decide = createAuthenticator(
    {
      tokenFiles: [
        { variable: "READ_TOKEN_FILE", path: join(root, "read"), scopes: ["read"] },
        { variable: "WRITE_TOKEN_FILE", path: join(root, "write"), scopes: ["read", "write"] },
      ],
      clientCertificates: false,
      loopback: true,
    },
    log.logger,
  );
  const socket = new Socket();
  t.teardown(() => socket.destroy());
  const ask = (scope: "read" | "write" | "metrics", bearer: string) =>
    decide(scope, `Bearer ${bearer}`, socket);
  t.match(ask("read", one), { ok: true, tokenName: "READ_TOKEN_FILE:1" });
  t.match(ask("write", two), { ok: true, tokenName: "ci" });
  t.match(ask("write", one), { ok: false, code: "FORBIDDEN", tokenName: "READ_TOKEN_FILE:1" });
  t.match(ask("metrics", two), { ok: true, tokenName: "ci" });
  t.match(ask("write", both), { ok: true, tokenName: "writer" }, "the name beside the scope that counts");
  t.match(ask("read", both), { ok: true, tokenName: "reader" });
  t.match(
    ask("write", `ci:${two}`),
    { ok: false, code: "UNAUTHENTICATED" },
    "the name is no part of the token",
  );
  t.strictSame(decide("read", undefined, socket).ok, false);
  t.notOk([one, two, both].some((secret) => log.text().includes(secret)));
});

t.test("a client sends the token without its name", async (t) => {
  const path = join(t.testdir({}), "token");
  writeFileSync(path, `# mine\nwebhook:${one}\nother:${two}\n`);
  const pool = openHttpPool({
    origin: "http://127.0.0.1:9",
    tokenFile: path,
    connectTimeoutMs: 100,
    connections: 1,
    logger: recordedLog().logger,
  });
  t.teardown(() => pool.close());
  t.equal(pool.authorization(), `Bearer ${one}`);
});
