// SPDX-License-Identifier: Apache-2.0
// Tests PUT, PATCH and DELETE over the in-memory store: every status, preconditions, sizes, and callers that hang up.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import t from "tap";
import { checksum } from "../../hooks/checksum.ts";
import { errors } from "../../hooks/error-codes.ts";
import { MAX_SECRET_BYTES } from "../../hooks/formats.ts";
import { type ChangeResult, unavailable } from "../../server/agent/store.ts";
import { type Ask, b64, writableAgent } from "./writable-agent.ts";

const url = "/v1/secrets/secrets/a/db";
const merge = { "content-type": "application/merge-patch+json" };
const [first, second] = [randomBytes(9), randomBytes(9)];
const sumOf = (data: Record<string, Uint8Array>): string => checksum(Object.entries(data));

t.test("a secret is made, changed, patched and deleted", async (t) => {
  const { ask, store } = writableAgent(t);
  const put = { method: "PUT", url, body: { data: { user: b64(first) } } } as const;
  const created = await ask(put);
  const sum = sumOf({ user: first });
  t.equal(created.statusCode, 201);
  t.same(created.json(), {
    path: "secrets/a/db",
    outcome: "created",
    checksum: sum,
    keys: ["user"],
    version: 1,
    device: "hsm-a",
  });
  t.match(created.headers, { etag: `"${sum}"`, "cache-control": "no-store" });
  const again = await ask(put);
  t.equal(again.statusCode, 200);
  t.match(again.json(), { outcome: "unchanged", checksum: sum, version: 1 });
  t.equal(again.headers.etag, `"${sum}"`);
  const changed = await ask({ ...put, body: { data: { user: b64(second), pass: b64(first) } } });
  t.equal(changed.statusCode, 200);
  t.match(changed.json(), { outcome: "changed", keys: ["pass", "user"], version: 2 });
  const patched = await ask({
    method: "PATCH",
    url,
    payload: JSON.stringify({ data: { pass: null, "tls.key": b64("") }, metadata: { description: "shop" } }),
    headers: merge,
  });
  t.equal(patched.statusCode, 200);
  t.match(patched.json(), { outcome: "changed", keys: ["tls.key", "user"], version: 3 });
  t.match((await ask({ url })).json(), {
    data: { user: b64(second), "tls.key": "" },
    layout: "packed",
    metadata: { description: "shop" },
    version: 3,
  });
  const plain = await ask({ method: "PATCH", url, body: { data: { user: b64(first) } } });
  t.match(plain.json(), { outcome: "changed", version: 4 }, "a patch may be application/json, too");
  const key = await ask({ method: "DELETE", url: `${url}?key=tls.key` });
  t.equal(key.statusCode, 200);
  t.match(key.json(), { outcome: "changed", keys: ["user"], checksum: sum });
  t.equal(key.headers.etag, `"${sum}"`);
  const last = await ask({ method: "DELETE", url: `${url}?key=user` });
  t.equal(last.statusCode, 200);
  t.same(last.json(), { path: "secrets/a/db", outcome: "deleted", checksum: sum, device: "hsm-a" });
  t.notOk("etag" in last.headers, "what is gone has no tag");
  t.match(await store.read("secrets/a/db"), { kind: "absent" });
  await ask(put);
  const deleted = await ask({ method: "DELETE", url });
  t.equal(deleted.statusCode, 200);
  t.match(deleted.json(), { outcome: "deleted", checksum: sum });
  t.equal((await ask({ method: "DELETE", url })).statusCode, 404);
});

t.test("metadata that the agent keeps itself is not shown", async (t) => {
  const { ask, store } = writableAgent(t);
  store.put("a", { user: first }, { metadata: { labels: { "sync.version": "3", team: "shop" } } });
  store.put("b", { user: first }, { metadata: { labels: { "sync.version": "3" } }, layout: "per-key" });
  t.same((await ask({ url: "/v1/secrets/a" })).json().metadata, { labels: { team: "shop" } });
  const other = (await ask({ url: "/v1/secrets/b" })).json();
  t.notOk("metadata" in other);
  t.equal(other.layout, "per-key");
});

const tag = `"${sumOf({ user: first })}"`;
const conditions: [header: string, value: string, status: number, sentence: string][] = [
  ["if-match", tag, 200, "the tag"],
  ["if-match", ` "sha256:0" ,, ${tag} `, 200, "one of several, with empty elements between"],
  ["if-match", `"a,b", ${tag}`, 200, "a comma within a tag"],
  ["if-match", "*", 200, "any secret"],
  ["if-match", '"sha256:0"', 412, "another tag"],
  ["if-match", `W/${tag}`, 412, "a weak tag never matches"],
  ["if-match", `W/"sha256:0", ${tag}`, 200, "but does not stand in the way of a strong one"],
  ["if-match", '""', 412, "the empty tag"],
  ["if-match", "", 400, "no tag at all"],
  ["if-match", " , ", 400, "empty elements alone"],
  ["if-match", tag.slice(1, -1), 400, "no quotes"],
  ["if-match", `${tag}x`, 400, "something behind the tag"],
  ["if-match", `${tag} ${tag}`, 400, "no comma"],
  ["if-match", `*, ${tag}`, 400, "the asterisk in a list"],
  ["if-match", `w/${tag}`, 400, "a small w"],
  ["if-match", '"', 400, "half a tag"],
  ["if-match", `"a b"`, 400, "a blank within a tag"],
  ["if-none-match", "*", 412, "none at all"],
  ["if-none-match", tag, 412, "not this one"],
  ["if-none-match", `W/${tag}`, 412, "not this one, compared weakly"],
  ["if-none-match", '"sha256:0"', 200, "not another one"],
  ["if-none-match", "sha256:0", 400, "no quotes"],
];
t.test("conditions", async (t) => {
  for (const [header, value, status, sentence] of conditions)
    for (const ask of [
      { method: "PUT", url, body: { data: { user: b64(second) } } },
      { method: "PATCH", url, body: { data: { user: b64(second) } } },
      { method: "DELETE", url },
      { method: "DELETE", url: `${url}?key=user` },
    ] satisfies Ask[]) {
      const agent = writableAgent(t);
      agent.store.put("secrets/a/db", { user: first });
      const before = await agent.held();
      const answer = await agent.ask({ ...ask, headers: { [header]: value } });
      t.equal(answer.statusCode, status, `${ask.method} with ${header}: ${value}: ${sentence}`);
      if (status === 200) t.notSame(await agent.held(), before);
      else t.same(await agent.held(), before, "nothing changed");
      if (status === 400)
        t.match(answer.json(), { code: "INVALID_REQUEST", details: [{ field: `headers.${header}` }] });
      if (status === 412) t.match(answer.json(), { code: "PRECONDITION_FAILED" });
    }
});

t.test("of two writers who have read the same, one gets 412", async (t) => {
  const { ask, store } = writableAgent(t);
  store.put("secrets/a/db", { user: first });
  const answers = await Promise.all(
    ["one", "two"].map((value) =>
      ask({ method: "PUT", url, body: { data: { user: b64(value) } }, headers: { "if-match": tag } }),
    ),
  );
  t.same(answers.map(({ statusCode }) => statusCode).sort(), [200, 412]);
});

const data = { user: b64(first) };
const refused: [sentence: string, ask: Ask, status: number, code: string, field?: string][] = [
  ["no body", { method: "PUT", url }, 400, "INVALID_REQUEST", "body"],
  ["no data", { method: "PUT", url, body: {} }, 400, "INVALID_REQUEST", "body.data"],
  ["no keys", { method: "PUT", url, body: { data: {} } }, 400, "INVALID_REQUEST", "body.data"],
  ["an unknown field", { method: "PUT", url, body: { data, key: 1 } }, 400, "INVALID_REQUEST", "body.key"],
  [
    "no base64",
    { method: "PUT", url, body: { data: { user: "x" } } },
    400,
    "INVALID_REQUEST",
    "body.data.user",
  ],
  [
    "base64 with blanks",
    { method: "PUT", url, body: { data: { user: "YQ == " } } },
    400,
    "INVALID_REQUEST",
    "body.data.user",
  ],
  [
    "base64 for URLs",
    { method: "PUT", url, body: { data: { user: "-_-_YQ==" } } },
    400,
    "INVALID_REQUEST",
    "body.data.user",
  ],
  [
    "base64 with bits left over",
    { method: "PUT", url, body: { data: { user: "YR==" } } },
    400,
    "INVALID_REQUEST",
    "body.data.user",
  ],
  [
    "a null in a put",
    { method: "PUT", url, body: { data: { user: null } } },
    400,
    "INVALID_REQUEST",
    "body.data.user",
  ],
  [
    "a number",
    { method: "PATCH", url, body: { data: { user: 1 } } },
    400,
    "INVALID_REQUEST",
    "body.data.user",
  ],
  [
    "a key with a slash",
    { method: "PUT", url, body: { data: { "a/b": "" } } },
    400,
    "INVALID_REQUEST",
    "body.data.a/b",
  ],
  ["the empty key", { method: "PUT", url, body: { data: { "": "" } } }, 400, "INVALID_REQUEST", "body.data."],
  [
    "a key of dots",
    { method: "PATCH", url, body: { data: { "..": "" } } },
    400,
    "INVALID_REQUEST",
    "body.data...",
  ],
  [
    "the key of the metadata",
    { method: "PATCH", url, body: { data: { _metadata: null } } },
    400,
    "INVALID_REQUEST",
    "body.data._metadata",
  ],
  [
    "a key with a line break",
    { method: "PUT", url, body: { data: { "a\nb": "" } } },
    400,
    "INVALID_REQUEST",
    "body.data.a?b",
  ],
  [
    "a key of 254 letters",
    { method: "PUT", url, body: { data: { ["a".repeat(254)]: "" } } },
    400,
    "INVALID_REQUEST",
    `body.data.${"a".repeat(190)}`,
  ],
  [
    "unknown metadata",
    { method: "PUT", url, body: { data, metadata: { descripton: "" } } },
    400,
    "INVALID_REQUEST",
    "body.metadata.descripton",
  ],
  [
    "a label of the agent's own",
    { method: "PUT", url, body: { data, metadata: { labels: { "sync.deleted": "true" } } } },
    400,
    "INVALID_REQUEST",
    "body.metadata.labels.sync.deleted",
  ],
  [
    "removing a label of the agent's own",
    { method: "PATCH", url, body: { metadata: { labels: { "sync.version": null } } } },
    400,
    "INVALID_REQUEST",
    "body.metadata.labels.sync.version",
  ],
  [
    "an unknown query of PUT",
    { method: "PUT", url: `${url}?key=user`, body: { data } },
    400,
    "INVALID_REQUEST",
    "querystring.key",
  ],
  [
    "a misspelt key to delete",
    { method: "DELETE", url: `${url}?kye=user` },
    400,
    "INVALID_REQUEST",
    "querystring.kye",
  ],
  [
    "an empty key to delete",
    { method: "DELETE", url: `${url}?key=` },
    400,
    "INVALID_REQUEST",
    "querystring.key",
  ],
  [
    "two keys to delete",
    { method: "DELETE", url: `${url}?key=user&key=pass` },
    400,
    "INVALID_REQUEST",
    "querystring.key",
  ],
  ["no path", { method: "DELETE", url: "/v1/secrets/" }, 400, "INVALID_REQUEST", "path"],
  [
    "a path with dots",
    { method: "PUT", url: "/v1/secrets/a%2f..%2fb", body: { data } },
    400,
    "INVALID_REQUEST",
    "path",
  ],
  [
    "the path of metadata",
    { method: "PUT", url: `${url}/_metadata`, body: { data } },
    400,
    "INVALID_REQUEST",
    "path",
  ],
  [
    "all keys removed by a patch",
    { method: "PATCH", url, body: { data: { user: null } } },
    400,
    "INVALID_REQUEST",
    "body.data",
  ],
  [
    "no JSON",
    { method: "PUT", url, payload: "{", headers: { "content-type": "application/json" } },
    400,
    "INVALID_JSON",
  ],
  [
    "a merge patch by PUT",
    { method: "PUT", url, payload: "{}", headers: merge },
    415,
    "UNSUPPORTED_MEDIA_TYPE",
  ],
  [
    "a text",
    { method: "PATCH", url, payload: "{}", headers: { "content-type": "text/plain" } },
    415,
    "UNSUPPORTED_MEDIA_TYPE",
  ],
  [
    "a patch of nothing",
    { method: "PATCH", url: "/v1/secrets/none", body: { data } },
    404,
    "SECRET_NOT_FOUND",
  ],
  ["a deletion of nothing", { method: "DELETE", url: "/v1/secrets/none" }, 404, "SECRET_NOT_FOUND"],
  [
    "a deletion of a key of nothing",
    { method: "DELETE", url: "/v1/secrets/none?key=a" },
    404,
    "SECRET_NOT_FOUND",
  ],
  ["a deletion of no key", { method: "DELETE", url: `${url}?key=none` }, 404, "KEY_NOT_FOUND"],
  [
    "values above the limit together",
    {
      method: "PUT",
      url,
      body: { data: { a: b64(new Uint8Array(MAX_SECRET_BYTES)), b: b64("x") } },
    },
    413,
    "SECRET_TOO_LARGE",
  ],
  [
    "a patch above the limit",
    { method: "PATCH", url, body: { data: { a: b64(new Uint8Array(MAX_SECRET_BYTES + 1)) } } },
    413,
    "SECRET_TOO_LARGE",
  ],
  [
    "a value of nearly 6 MiB",
    { method: "PUT", url, body: { data: { a: b64(new Uint8Array(6 * 1024 * 1024 - 100)) } } },
    413,
    "SECRET_TOO_LARGE",
  ],
  [
    "a body above the limit",
    { method: "PUT", url, body: { data: { a: b64(new Uint8Array(6 * 1024 * 1024 + 1)) } } },
    413,
    "PAYLOAD_TOO_LARGE",
  ],
];
t.test("what is refused changes nothing", async (t) => {
  const { ask, store, held, log } = writableAgent(t);
  store.put("secrets/a/db", { user: first });
  const before = await held();
  for (const [sentence, asked, status, code, field] of refused) {
    const answer = await ask(asked);
    t.equal(answer.statusCode, status, sentence);
    t.match(answer.json(), { code, ...(field !== undefined && { details: [{ field }] }) });
    t.equal(answer.headers["cache-control"], "no-store");
    if (code === "SECRET_TOO_LARGE") t.match(answer.json().message, `${MAX_SECRET_BYTES}`, "with the limit");
  }
  t.same(await held(), before);
  t.same(
    log.lines.filter(({ level }) => level === "error"),
    [],
  );
});

t.test("a patch that makes a secret too large", async (t) => {
  const { ask, store, held } = writableAgent(t);
  store.put("secrets/a/db", { user: new Uint8Array(MAX_SECRET_BYTES) });
  const before = await held();
  const answer = await ask({ method: "PATCH", url, body: { data: { more: b64("x") } } });
  t.equal(answer.statusCode, 413);
  t.match(answer.json(), { code: "SECRET_TOO_LARGE", message: `${MAX_SECRET_BYTES}` });
  t.same(await held(), before);
});

const ends: [end: ChangeResult, code: keyof typeof errors][] = [
  [{ kind: "absent" }, "SECRET_NOT_FOUND"],
  [{ kind: "key-absent" }, "KEY_NOT_FOUND"],
  [{ kind: "last-key" }, "INVALID_REQUEST"],
  [{ kind: "precondition", before: null }, "PRECONDITION_FAILED"],
  ...(["TOKEN_FULL", "SECRET_TOO_LARGE", "PATH_AMBIGUOUS", "WRITE_NOT_SHOWN"] as const).map(
    (code): [ChangeResult, keyof typeof errors] => [{ kind: "refused", code, message: "the reason" }, code],
  ),
  [{ kind: "uncertain", message: "the reason" }, "WRITE_UNCERTAIN"],
  ...(["TOKEN_UNAVAILABLE", "PIN_LOCKED", "PIN_INCORRECT", "TIMEOUT", "STORAGE_INVALID"] as const).map(
    (code): [ChangeResult, keyof typeof errors] => [unavailable(code, "the reason", 7), code],
  ),
];
t.test("each end of a change has its answer, and its line", async (t) => {
  for (const [end, code] of ends) {
    const { ask, store, audits } = writableAgent(t);
    store.change = async () => end;
    for (const method of ["PUT", "PATCH", "DELETE"] as const) {
      const answer = await ask({ method, url, ...(method !== "DELETE" && { body: { data } }) });
      t.equal(answer.statusCode, errors[code].status, `${method}: ${code}`);
      t.match(answer.json(), { code });
      if ("message" in end) t.equal(answer.json().message, "the reason");
      const retryAfter = end.kind === "unavailable" ? "7" : end.kind === "uncertain" ? "1" : undefined;
      t.equal(answer.headers["retry-after"], retryAfter);
      t.match(audits().at(-1), { audit: method.toLowerCase(), path: "secrets/a/db", outcome: code });
    }
    t.equal(audits().length, 3, "one line for each");
  }
});

t.test("a write whose caller hangs up is made and told", async (t) => {
  const { app, store, tokens, log } = writableAgent(t);
  const began = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const { change } = store;
  store.change = async (...args) => {
    began.resolve();
    await goOn.promise;
    return change(...args);
  };
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const headers = { authorization: `Bearer ${tokens.writer}`, "content-type": "application/json" };
  const caller = request({ host: "127.0.0.1", port, method: "PUT", path: url, headers });
  caller.on("error", () => {});
  const connected = once(app.server, "connection");
  caller.end(JSON.stringify({ data }));
  const [socket] = await connected;
  await began.promise;
  const gone = once(socket, "close");
  caller.destroy();
  await gone;
  goOn.resolve();
  const line = await log.waitFor(({ audit }) => audit === "put");
  t.match(line, { outcome: "created", path: "secrets/a/db", who: { token: "ci" } });
  t.match(await store.read("secrets/a/db"), { kind: "found" });
});
