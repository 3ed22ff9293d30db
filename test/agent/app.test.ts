// SPDX-License-Identifier: Apache-2.0
// Tests the agent's routes over the in-memory store: bodies, entity tags, errors, the audit line, metrics and devices.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pino } from "pino";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { checksum } from "../../hooks/checksum.ts";
import { codesOf } from "../../hooks/error-codes.ts";
import { createMemoryStore } from "../../scripts/local/memory-store.ts";
import { buildAgentApp } from "../../server/agent/app.ts";
import { unavailable } from "../../server/agent/store.ts";

const start = (t: Test, sysfsRoot?: string) => {
  const lines: string[] = [];
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      done();
    },
  });
  const store = createMemoryStore("token-a");
  const app = buildAgentApp({
    store,
    logger: pino({ level: "debug" }, destination),
    registry: new Registry(),
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    device: "hsm-a",
    node: "node-a",
    ...(sysfsRoot !== undefined && { sysfsRoot }),
  });
  t.teardown(() => app.close());
  return { app, store, lines };
};

t.test("a secret of a set says in which epoch it was written, and what it replaced", async (t) => {
  const { app, store } = start(t);
  for (const epoch of [1, 1, 2, 3]) {
    const data = new Map([["user", randomBytes(9)]]);
    const metadata = { labels: { team: "a" } };
    await store.change("secrets/a/db", { type: "put", data, metadata }, {}, { epoch });
  }
  const found = (await app.inject("/v1/secrets/secrets/a/db")).json();
  t.match(found, { version: 4, epoch: 3, metadata: { labels: { team: "a" } } });
  t.same(found.history, [
    [1, 2],
    [2, 3],
  ]);
  t.same(Object.keys(found.metadata.labels), ["team"], "its labels are not the writer's");
});

t.test("a secret, its entity tag, and a change", async (t) => {
  const { app, store } = start(t);
  const value = randomBytes(9);
  store.put("secrets/a/db", { user: value });
  const sum = checksum([["user", value]]);
  const found = await app.inject("/v1/secrets/secrets/a/db");
  t.equal(found.statusCode, 200);
  t.same(found.json(), {
    path: "secrets/a/db",
    data: { user: value.toString("base64") },
    checksum: sum,
    version: 1,
    device: "hsm-a",
    layout: "packed",
  });
  t.equal(found.headers.etag, `"${sum}"`);
  t.equal(found.headers["cache-control"], "no-store");
  const conditions: [string, number][] = [
    [`"${sum}"`, 304],
    [`W/"${sum}"`, 304],
    [`"sha256:0", "${sum}"`, 304],
    ["*", 304],
    ['"sha256:0"', 200],
    [sum, 200],
    ["", 200],
  ];
  for (const [condition, status] of conditions) {
    const answer = await app.inject({
      url: "/v1/secrets/secrets/a/db",
      headers: { "if-none-match": condition },
    });
    t.equal(answer.statusCode, status, `If-None-Match: ${condition}`);
    if (status === 304) t.equal(answer.body, "", "without a body");
    t.equal(answer.headers.etag, `"${sum}"`, "with the tag");
  }
  store.put("secrets/a/db", { user: "another" });
  const changed = await app.inject({
    url: "/v1/secrets/secrets/a/db",
    headers: { "if-none-match": `"${sum}"` },
  });
  t.match(changed.json(), { version: 2 });
  t.equal((await app.inject({ method: "HEAD", url: "/v1/secrets/secrets/a/db" })).statusCode, 200, "HEAD");
});

t.test("keys may have the names of an object's own parts", async (t) => {
  const { app, store } = start(t);
  store.put(
    "secrets/a/db",
    Object.fromEntries(["__proto__", "constructor", "toString"].map((key) => [key, key])),
  );
  const { body } = await app.inject("/v1/secrets/secrets/a/db");
  t.match(body, /"__proto__":"X19wcm90b19f"/);
  t.match(body, /"constructor":/);
});

t.test("a list shows names and sizes, never values", async (t) => {
  const { app, store } = start(t);
  const value = randomBytes(12).toString("hex");
  store.put("secrets/a/db", { user: value, pass: value });
  store.put("secrets/b/db", { user: value });
  const all = await app.inject("/v1/secrets");
  t.equal(all.json().secrets.length, 2);
  const some = await app.inject("/v1/secrets?prefix=secrets/a/");
  t.match(some.json(), {
    secrets: [{ path: "secrets/a/db", keys: ["pass", "user"], bytes: 48, version: 1 }],
  });
  t.notMatch(all.body, value);
  t.notMatch(all.body, Buffer.from(value).toString("base64"));
  t.equal((await app.inject("/v1/secrets?prefix=a%20b")).statusCode, 400, "a prefix that no path has");
  t.equal((await app.inject("/v1/secrets?prefx=a")).statusCode, 400, "a query that is misspelt");
});

const badPaths: [what: string, path: string][] = [
  ["no path", ""],
  ["a slash at the end", "a/"],
  ["an empty segment", "a//b"],
  ["a segment of two dots", "a%2f..%2fb"],
  ["an encoded slash", "secrets%2fa"],
  ["a segment of one dot", "a%2f.%2fb"],
  ["a space", "a%20b"],
  ["a NUL", "a%00"],
  ["a letter that is not ASCII", "%C3%A4"],
  ["256 bytes", "a".repeat(256)],
];
t.test("paths that no secret can have", async (t) => {
  const { app } = start(t);
  for (const [what, path] of badPaths) {
    const answer = await app.inject(`/v1/secrets/${path}`);
    t.equal(answer.statusCode, 400, what);
    t.match(answer.json(), { code: "INVALID_REQUEST", details: [{ field: "path" }] });
  }
  t.equal((await app.inject(`/v1/secrets/${"a".repeat(255)}`)).statusCode, 404, "255 bytes are a path");
  t.equal((await app.inject("/v1/secrets/%zz")).statusCode, 404, "a broken escape is no route");
});

t.test("absent is 404, and what is not known to be absent is 503", async (t) => {
  const { app, store } = start(t);
  const absent = await app.inject("/v1/secrets/secrets/a/db");
  t.equal(absent.statusCode, 404);
  t.match(absent.json(), { code: "SECRET_NOT_FOUND" });
  for (const code of codesOf("token-unreadable", "path-unreadable")) {
    store.fail(unavailable(code, "the reason", 7));
    for (const url of ["/v1/secrets/secrets/a/db", "/v1/secrets", "/v1/info"]) {
      const answer = await app.inject(url);
      t.equal(answer.statusCode, 503, `${code} at ${url}`);
      t.match(answer.json(), { code, message: "the reason" });
      t.equal(answer.headers["retry-after"], "7");
    }
    const ready = await app.inject("/readyz");
    t.equal(ready.statusCode, 503);
    t.match(ready.body, code, "readyz says why");
    t.equal((await app.inject("/healthz")).statusCode, 200, "healthz is alive");
  }
  store.fail();
  t.equal((await app.inject("/readyz")).statusCode, 200);
});

t.test("an answer that does not fit its schema does not leave", async (t) => {
  const { app, store } = start(t);
  store.read = async () => ({
    kind: "found",
    data: new Map(),
    checksum: "none",
    version: 1,
    layout: "packed",
    metadata: {},
  });
  const answer = await app.inject("/v1/secrets/secrets/a/db");
  t.equal(answer.statusCode, 500);
  t.match(answer.json(), { code: "INTERNAL" });
});

t.test("each operation is audited and counted, without values", async (t) => {
  const { app, store, lines } = start(t);
  const value = randomBytes(12).toString("hex");
  store.put("secrets/a/db", { user: value });
  const headers = { "x-request-id": "correlation-1" };
  await app.inject({ url: "/v1/secrets/secrets/a/db", headers });
  await app.inject("/v1/secrets/secrets/a/none");
  await app.inject("/v1/secrets?prefix=secrets/");
  const audits = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "audit");
  t.match(audits, [
    {
      level: 30,
      audit: "read",
      path: "secrets/a/db",
      outcome: "found",
      checksum: /^hmac-sha256:/,
      requestId: "correlation-1",
      scope: "read",
      client: "127.0.0.1",
      durationMs: Number,
    },
    { audit: "read", path: "secrets/a/none", outcome: "absent" },
    { audit: "list", prefix: "secrets/", outcome: "listed", count: 1 },
  ]);
  const metrics = (await app.inject("/metrics")).body;
  t.match(metrics, /keyswitch_agent_operations_total\{operation="read",outcome="found"\} 1/);
  t.match(metrics, /keyswitch_agent_operations_total\{operation="read",outcome="absent"\} 1/);
  for (const text of [value, Buffer.from(value).toString("base64")]) {
    t.notMatch(lines.join(""), text);
    t.notMatch(metrics, text);
  }
});

t.test("fresh reads are asked for by Cache-Control", async (t) => {
  const { app, store } = start(t);
  const asked: (boolean | undefined)[] = [];
  store.read = async (_path, options) => {
    asked.push(options?.fresh);
    return { kind: "absent" };
  };
  for (const value of ["no-cache", "max-age=0, No-Cache", "max-age=0", "no-cache-at-all"]) {
    await app.inject({ url: "/v1/secrets/a", headers: { "cache-control": value } });
  }
  t.same(asked, [true, true, false, false]);
});

t.test("info and devices", async (t) => {
  const usb = (files: Record<string, string>): Record<string, string> => files;
  const root = t.testdir({
    bus: {
      usb: {
        devices: {
          "1-1": usb({ idVendor: "20a0\n", idProduct: "4230\n", serial: "ESP-1\n" }),
          "1-1:1.0": usb({ bInterfaceClass: "0b\n" }),
          "1-2": usb({ idVendor: "2e8a\n", idProduct: "10fd\n", serial: "bad\u0007serial\n" }),
          "1-3": usb({ idVendor: "04e6\n", idProduct: "5816\n" }),
          "1-4": usb({ idVendor: "1d6b\n", idProduct: "0002\n" }),
          "1-5": usb({ idVendor: "<vendor>\n", idProduct: "0002\n" }),
        },
      },
    },
  });
  const { app } = start(t, root);
  const device = (bus: string, ids: string, serial: string | null, type: string | null) => ({
    bus,
    vendorId: ids.split(":")[0],
    productId: ids.split(":")[1],
    serial,
    type,
  });
  t.same((await app.inject("/v1/devices")).json(), {
    node: "node-a",
    devices: [
      device("1-1", "20a0:4230", "ESP-1", "PicoHSM"),
      device("1-2", "2e8a:10fd", null, "PicoHSM"),
      device("1-3", "04e6:5816", null, "SmartCard-HSM"),
      device("1-4", "1d6b:0002", null, null),
    ],
  });
  t.match((await app.inject("/v1/info")).json(), {
    device: "hsm-a",
    node: "node-a",
    token: { label: "token-a" },
  });
  const bare = start(t, join(root, "nothing"));
  t.same(
    (await bare.app.inject("/v1/devices")).json(),
    { node: "node-a", devices: [] },
    "a node without USB",
  );
});
