// SPDX-License-Identifier: Apache-2.0
// Tests PUT, PATCH and DELETE on the in-memory store: the response to each outcome, and callers that hang up.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import t from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import { errors } from "../../../hooks/error-codes.ts";
import { type ChangeResult, unavailable } from "../../../server/agent/store.ts";
import { b64, writableAgent } from "../writable-agent.ts";

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

const data = { user: b64(first) };
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
