// SPDX-License-Identifier: Apache-2.0
// Tests the agent as a process on a SoftHSM2 token: what is written over HTTP is on the token, whoever reads it afterwards.
import { randomBytes, randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import t, { type Test } from "tap";
import { checksum } from "../../hooks/checksum.ts";
import { startAgent, tokenFixture } from "./pkcs11/token-fixture.ts";
import { b64 } from "./writable-agent.ts";

t.setTimeout(590_000);

const setUp = async (t: Test) => {
  const fixture = await tokenFixture(t);
  const secret = randomBytes(24).toString("base64url");
  const tokenFile = join(dirname(fixture.token.pinFile), "write-token");
  writeFileSync(tokenFile, `test:${secret}\n`);
  const start = async () => {
    const agent = await startAgent(t, fixture, { WRITE_TOKEN_FILE: tokenFile });
    const ask = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) => {
      const response = await fetch(`${agent.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${secret}`,
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return {
        status: response.status,
        etag: response.headers.get("etag"),
        body: text === "" ? {} : JSON.parse(text),
      };
    };
    return { agent, ask };
  };
  return { fixture, start };
};

t.test("a secret is written, changed, moved and deleted, and the next agent sees it", async (t) => {
  const { start } = await setUp(t);
  const { agent, ask } = await start();
  const [first, second] = [randomBytes(300), randomBytes(5000)];
  const url = "/v1/secrets/secrets/a/db";
  const made = await ask("PUT", url, { data: { user: b64(first) }, metadata: { description: "shop" } });
  t.match(made, { status: 201, body: { outcome: "created", checksum: checksum([["user", first]]) } });
  t.match(await ask("PUT", url, { data: { user: b64(first) } }), {
    status: 200,
    body: { outcome: "unchanged" },
  });
  const stale = await ask("PUT", url, { data: { user: "" } }, { "if-match": '"sha256:0"' });
  t.match(stale, { status: 412, body: { code: "PRECONDITION_FAILED" } });
  const patch = { data: { pass: b64(second) }, metadata: { labels: { team: "a" } } };
  t.match(await ask("PATCH", url, patch, { "if-match": made.etag ?? "" }), {
    status: 200,
    body: { outcome: "changed", keys: ["pass", "user"] },
  });
  t.match(await ask("PATCH", url, { data: { user: null, pass: null } }), { status: 400 });
  t.match(await ask("POST", "/v1/repack", { paths: ["secrets/a/db"], layout: "per-key" }), {
    body: { results: [{ outcome: "repacked" }] },
  });
  const imported = await ask("POST", "/v1/import", {
    secrets: [
      { path: "secrets/a/db", data: { user: "" } },
      { path: "secrets/b/db", data: { user: b64(first) } },
    ],
  });
  t.match(imported.body.results, [{ outcome: "skipped" }, { outcome: "created" }]);
  const exported = await ask("GET", "/v1/export");
  t.equal(await agent.stop(), 0);

  const next = await start();
  const read = await next.ask("GET", url);
  t.same(read.body.data, { user: b64(first), pass: b64(second) });
  t.match(read.body, { layout: "per-key", metadata: { description: "shop", labels: { team: "a" } } });
  t.same((await next.ask("GET", "/v1/export")).body, exported.body);
  t.match(await next.ask("DELETE", `${url}?key=pass`), { status: 200, body: { keys: ["user"] } });
  t.match(await next.ask("DELETE", url), { status: 200, body: { outcome: "deleted" } });
  t.match(await next.ask("DELETE", url), { status: 404 });
  t.match(await next.ask("GET", url), { status: 404 });
  t.match(await next.ask("POST", "/v1/refresh"), { status: 200, body: { writable: true } });
  const lines = [...agent.log, ...next.agent.log].map((line) => JSON.parse(line));
  t.match(
    lines.filter(({ audit }) => audit === "put" || audit === "delete").map(({ outcome }) => outcome),
    ["created", "unchanged", "PRECONDITION_FAILED", "deleted", "SECRET_NOT_FOUND"],
  );
  const log = [...agent.log, ...next.agent.log].join("\n");
  for (const value of [first, second]) t.notOk(log.includes(b64(value).slice(0, 60)), "no value is logged");
});

t.test("the PIN is changed over HTTP, and the next agent needs the new one", async (t) => {
  const { fixture, start } = await setUp(t);
  const { agent, ask } = await start();
  await ask("PUT", "/v1/secrets/a", { data: { user: "" } });
  const newPin = String(randomInt(10_000_000, 99_999_999));
  t.match(await ask("POST", "/v1/pin", { currentPin: newPin, newPin }), { status: 403 });
  t.match(await ask("POST", "/v1/pin", { currentPin: fixture.token.pin, newPin }), { status: 204 });
  t.match(await ask("GET", "/v1/secrets/a"), { status: 200 });
  t.equal(await agent.stop(), 0);
  const refused = await start();
  t.match(await refused.ask("GET", "/v1/secrets/a"), { status: 503, body: { code: "PIN_INCORRECT" } });
  await refused.agent.stop();
  writeFileSync(fixture.token.pinFile, newPin);
  const accepted = await start();
  t.match(await accepted.ask("GET", "/v1/secrets/a"), { status: 200 });
  t.notMatch([...agent.log, ...refused.agent.log, ...accepted.agent.log].join("\n"), newPin);
});
