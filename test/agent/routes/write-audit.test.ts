// SPDX-License-Identifier: Apache-2.0
// Tests the audit trail of writes: who, what, before and after, failures too; and no value in it or in any error.
import { randomBytes } from "node:crypto";
import t from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import { unavailable } from "../../../server/agent/store.ts";
import { type Ask, b64, writableAgent } from "../writable-agent.ts";

const url = "/v1/secrets/secrets/a/db";
const [first, second] = [randomBytes(9), randomBytes(9)];
const sumOf = (data: Record<string, Uint8Array>): string => checksum(Object.entries(data));

t.test("each write is one line that says who did what", async (t) => {
  const { ask, audits, app, shown } = writableAgent(t);
  const headers = { "x-request-id": "correlation-1" };
  await ask({ method: "PUT", url, body: { data: { user: b64(first) } }, headers });
  await ask({ method: "PATCH", url, body: { data: { pass: b64(second), none: null } }, as: "second writer" });
  await ask({ method: "DELETE", url: `${url}?key=pass` });
  await ask({ method: "DELETE", url });
  const [one, both] = [shown(sumOf({ user: first })), shown(sumOf({ user: first, pass: second }))];
  const path = "secrets/a/db";
  const rest = { level: "info", client: "127.0.0.1", durationMs: Number };
  const named = { token: "ci" };
  t.match(audits(), [
    {
      ...rest,
      audit: "put",
      who: named,
      path,
      keys: ["user"],
      outcome: "created",
      before: null,
      after: one,
      requestId: "correlation-1",
    },
    {
      ...rest,
      audit: "patch",
      who: { token: "WRITE_TOKEN_FILE:3" },
      keys: ["pass", "none"],
      outcome: "changed",
      before: one,
      after: both,
    },
    {
      ...rest,
      audit: "delete-key",
      who: named,
      keys: ["pass"],
      outcome: "changed",
      before: both,
      after: one,
    },
    { ...rest, audit: "delete", who: named, path, outcome: "deleted", before: one, after: null },
  ]);
  t.equal(audits().length, 4);
  const { payload } = await ask({ url: "/metrics" });
  for (const [operation, outcome] of [
    ["put", "created"],
    ["patch", "changed"],
    ["delete-key", "changed"],
    ["delete", "deleted"],
  ]) {
    t.match(payload, `keyswitch_agent_operations_total{operation="${operation}",outcome="${outcome}"} 1`);
  }
  await app.close();
});

t.test("of a write of many keys the line names the first, and how many there are", async (t) => {
  const { ask, audits } = writableAgent(t);
  const many = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`key-${i}`, ""]));
  await ask({ method: "PUT", url, body: { data: many } });
  const [told] = audits();
  t.match(told, { audit: "put", outcome: "created", keyCount: 3000 });
  t.same(told?.keys, Object.keys(many).slice(0, 50));
});

t.test("what is refused is told as well, once", async (t) => {
  const rows: [ask: Ask, line: object][] = [
    [
      { method: "PUT", url, body: { data: {} } },
      { audit: "put", who: { token: "ci" }, path: "secrets/a/db", outcome: "INVALID_REQUEST" },
    ],
    [
      { method: "PUT", url, body: { data: {} }, as: "reader" },
      { audit: "put", who: { token: "READ_TOKEN_FILE:1" }, path: "secrets/a/db", outcome: "FORBIDDEN" },
    ],
    [
      { method: "DELETE", url, as: "nobody" },
      { audit: "delete", who: {}, outcome: "UNAUTHENTICATED" },
    ],
    [
      { method: "DELETE", url: `${url}?key=..` },
      { audit: "delete-key", path: "secrets/a/db", outcome: "INVALID_REQUEST" },
    ],
    [
      { method: "DELETE", url, headers: { "if-match": '"sha256:0"' } },
      { audit: "delete", outcome: "PRECONDITION_FAILED", before: null, after: null },
    ],
    [
      { method: "PATCH", url: "/v1/secrets/a//b" },
      { audit: "patch", path: undefined, outcome: "INVALID_REQUEST" },
    ],
    [
      { method: "POST", url: "/v1/import", body: { secrets: [{ path: "a//b", data: {} }] } },
      { audit: "import", outcome: "INVALID_REQUEST" },
    ],
    [
      { method: "POST", url: "/v1/repack", body: {} },
      { audit: "repack", outcome: "INVALID_REQUEST" },
    ],
    [
      { method: "POST", url: "/v1/repair", body: { dryRun: "yes" } },
      { audit: "repair", outcome: "INVALID_REQUEST" },
    ],
    [
      { method: "POST", url: "/v1/pin", body: {} },
      { audit: "pin", outcome: "INVALID_REQUEST" },
    ],
    [{ url: "/v1/export?x=1" }, { audit: "export", outcome: "INVALID_REQUEST" }],
  ];
  for (const [asked, line] of rows) {
    const { ask, audits } = writableAgent(t);
    await ask(asked);
    t.match(audits(), [line], `${asked.method} ${asked.url}`);
    t.equal(audits().length, 1);
  }
});

t.test("a bug in a write is told, too", async (t) => {
  const { ask, store, audits } = writableAgent(t);
  store.change = async () => {
    throw new Error("a bug");
  };
  const answer = await ask({ method: "DELETE", url });
  t.equal(answer.statusCode, 500);
  t.match(audits(), [{ audit: "delete", path: "secrets/a/db", outcome: "INTERNAL" }]);
});

t.test("no value, PIN or token is in the log, the metrics, or an answer that is not a read", async (t) => {
  const { ask, store, log, tokens, pin } = writableAgent(t);
  const canary = () => randomBytes(15).toString("hex");
  const values: string[] = [];
  const secret = (): string => {
    values.push(canary());
    return values.at(-1) ?? "";
  };
  const encoded = () => b64(secret());
  const json = { "content-type": "application/json" };
  const asks: Ask[] = [
    { method: "PUT", url, body: { data: { user: encoded(), pass: encoded() } } },
    { method: "PUT", url, body: { data: { user: encoded() } }, headers: { "if-none-match": "*" } },
    { method: "PUT", url, body: { data: { user: encoded() } }, as: "reader" },
    { method: "PUT", url, body: { data: { user: encoded() } }, as: "nobody" },
    { method: "PUT", url, body: { data: { user: `${encoded()}!` } } },
    { method: "PUT", url, body: { data: encoded() } },
    { method: "PUT", url, body: { data: [encoded()] } },
    { method: "PUT", url, body: { data: { user: { value: encoded() } } } },
    { method: "PUT", url, body: { data: { "no name": encoded() } } },
    { method: "PUT", url, body: { data: { user: "" }, metadata: { labels: { "sync.a": secret() } } } },
    { method: "PUT", url, body: { data: { user: "" }, metadata: secret() } },
    { method: "PUT", url, body: { data: { user: "" }, value: encoded() } },
    { method: "PUT", url, payload: `{"data":{"user":"${encoded()}"`, headers: json },
    { method: "PUT", url, payload: secret(), headers: json },
    { method: "PUT", url, payload: secret(), headers: { "content-type": "text/plain" } },
    { method: "PATCH", url, body: { data: { user: encoded(), more: null } } },
    { method: "PATCH", url, body: { data: { user: `${encoded()}!` } } },
    { method: "POST", url: "/v1/import", body: { secrets: [{ path: "a", data: { user: encoded() } }] } },
    {
      method: "POST",
      url: "/v1/import",
      body: { secrets: [{ path: "a", data: { user: encoded() } }], ifExists: "fail" },
    },
    { method: "POST", url: "/v1/import", body: { secrets: [{ path: "b//c", data: { user: encoded() } }] } },
    { method: "POST", url: "/v1/import", body: { secrets: [encoded()] } },
    { method: "POST", url: "/v1/repack", body: { paths: ["a", "secrets/a/db"], layout: "per-key" } },
    { method: "POST", url: "/v1/pin", body: { currentPin: secret(), newPin: secret() } },
    { method: "POST", url: "/v1/pin", body: { currentPin: secret(), newPin: `${secret()}\n` } },
    { method: "POST", url: "/v1/pin", body: { currentPin: secret() } },
    { method: "POST", url: "/v1/pin", body: { currentPin: pin, newPin: secret() } },
    { method: "DELETE", url: `${url}?key=pass` },
    { method: "POST", url: "/v1/refresh" },
    { method: "DELETE", url },
  ];
  const answers: string[] = [];
  for (const asked of asks) answers.push((await ask(asked)).body);
  store.fail(unavailable("TIMEOUT", "slow"));
  for (const asked of asks) answers.push((await ask(asked)).body);
  store.fail();
  store.change = async () => {
    throw new Error("a bug");
  };
  for (const asked of asks) answers.push((await ask(asked)).body);
  await ask({ url: "/v1/export" });
  const seen = [log.text(), ...answers, (await ask({ url: "/metrics" })).body].join("\n");
  t.ok(values.length > 20);
  t.match(seen, /"audit":"put"/);
  for (const value of [...values, pin, ...Object.values(tokens)]) {
    for (const form of [value, b64(value), Buffer.from(value).toString("hex")]) {
      if (seen.includes(form)) t.fail("a canary is seen");
    }
  }
  t.pass(`${values.length} canaries`);
});
