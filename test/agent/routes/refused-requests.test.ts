// SPDX-License-Identifier: Apache-2.0
// Tests PUT, PATCH and DELETE that are refused before the token is touched: forms, names, sizes, unknown paths.

import { randomBytes } from "node:crypto";
import t from "tap";
import { MAX_SECRET_BYTES } from "../../../hooks/formats.ts";
import { type Ask, b64, writableAgent } from "../writable-agent.ts";

const url = "/v1/secrets/secrets/a/db";
const merge = { "content-type": "application/merge-patch+json" };
const first = randomBytes(9);
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
