// SPDX-License-Identifier: Apache-2.0
// Tests what all listeners share: probes, error responses that name fields, request ids, metrics.
import { Type } from "@sinclair/typebox";
import { Registry } from "prom-client";
import t from "tap";
import { errors } from "../../hooks/error-codes.ts";
import type { ReadyCheck } from "../../server/http/probes.ts";
import { buildServer, type Limits } from "../../server/http/server.ts";
import { recordedLog } from "./recorded-log.ts";

const build = (options: { checks?: ReadyCheck[]; limits?: Partial<Limits> } = {}) => {
  const log = recordedLog();
  const app = buildServer({
    logger: log.logger,
    registry: new Registry(),
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    ready: () => options.checks ?? [],
    ...(options.limits && { limits: options.limits }),
  });
  const body = Type.Object({
    name: Type.String({ maxLength: 5 }),
    inner: Type.Object({ n: Type.Integer() }),
    labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  });
  app.post(
    "/things/*",
    { config: { scope: "hook" }, schema: { body } },
    async (request) => request.body.inner.n,
  );
  app.put("/things/*", { config: { scope: "write" } }, async () => "put");
  const querystring = Type.Object({ limit: Type.Integer({ minimum: 1 }) });
  app.get(
    "/list/:kind",
    { config: { scope: "read" }, schema: { querystring } },
    async (request) => request.query,
  );
  app.get("/bug", { config: { scope: "read" } }, async () => {
    throw new Error("inside detail");
  });
  app.get("/parse", { config: { scope: "read" } }, async () => JSON.parse("canary-value-of-a-secret"));
  return { app, log };
};

t.test("error answers", async (t) => {
  const { app, log } = build();
  t.teardown(() => app.close());
  const json = { "content-type": "application/json" };
  const rows: [
    string,
    "GET" | "POST" | "DELETE",
    string,
    unknown,
    Record<string, string>,
    string,
    string[]?,
  ][] = [
    ["a missing route", "GET", "/nothing", undefined, {}, "NOT_FOUND"],
    ["a missing route with a body", "POST", "/nothing", "x", { "content-type": "text/x" }, "NOT_FOUND"],
    ["a broken escape", "GET", "/things/%zz", undefined, {}, "NOT_FOUND"],
    ["another method", "DELETE", "/things/a/b", undefined, {}, "METHOD_NOT_ALLOWED"],
    ["no body", "POST", "/things/a", undefined, {}, "INVALID_REQUEST", ["body"]],
    ["an empty JSON body", "POST", "/things/a", "", json, "INVALID_JSON"],
    ["a cut JSON body", "POST", "/things/a", '{"name": "canary', json, "INVALID_JSON"],
    [
      "a body that only inherits",
      "POST",
      "/things/a",
      '{"__proto__": {"name": "canary"}}',
      json,
      "INVALID_REQUEST",
      ["body.name", "body.inner"],
    ],
    ["text", "POST", "/things/a", "canary", { "content-type": "text/plain" }, "UNSUPPORTED_MEDIA_TYPE"],
    [
      "a form",
      "POST",
      "/things/a",
      "a=b",
      { "content-type": "application/x-www-form-urlencoded" },
      "UNSUPPORTED_MEDIA_TYPE",
    ],
    ["JSON of another kind", "POST", "/things/a", "[]", json, "INVALID_REQUEST", ["body"]],
    [
      "wrong fields",
      "POST",
      "/things/a",
      { name: "canary", inner: { n: "canary" } },
      json,
      "INVALID_REQUEST",
      ["body.name", "body.inner.n"],
    ],
    ["missing fields", "POST", "/things/a", {}, json, "INVALID_REQUEST", ["body.name", "body.inner"]],
    [
      "a wrong value under a key with a line break",
      "POST",
      "/things/a",
      { name: "a", inner: { n: 1 }, labels: { "a\nb": null } },
      json,
      "INVALID_REQUEST",
      ["body.labels.a?b"],
    ],
    ["a wrong query", "GET", "/list/x?limit=canary", undefined, {}, "INVALID_REQUEST", ["querystring.limit"]],
    ["a bug", "GET", "/bug", undefined, {}, "INTERNAL"],
    ["a parser's error inside", "GET", "/parse", undefined, {}, "INTERNAL"],
  ];
  for (const [sentence, method, url, payload, headers, code, fields] of rows) {
    t.test(sentence, async (t) => {
      const answer = await app.inject({
        method,
        url,
        headers,
        ...(payload !== undefined && { payload: payload as string }),
      });
      const body = answer.json();
      t.equal(body.code, code);
      t.equal(answer.statusCode, errors[code as keyof typeof errors].status);
      t.equal(body.message, errors[code as keyof typeof errors].text);
      t.same(
        body.details?.map(({ field }: { field: string }) => field),
        fields,
      );
      t.match(answer.headers["content-type"], /^application\/json/);
      t.ok(answer.headers["x-request-id"]);
      t.notMatch(answer.body, /canary|inside detail/);
    });
  }
  t.test("405 names the methods", async (t) => {
    const answer = await app.inject({ method: "DELETE", url: "/things/a" });
    t.equal(answer.headers.allow, "POST, PUT");
  });
  t.test("the log has the bug and no value of any input", async (t) => {
    t.match(log.text(), /inside detail/);
    t.notMatch(log.text(), /canary/);
  });
});

t.test("a request at its limits is taken", async (t) => {
  const { app } = build({ limits: { bodyBytes: 100 } });
  t.teardown(() => app.close());
  const send = (size: number) => {
    const head = '{"name":"a","inner":{"n":1}';
    const payload = `${head}${" ".repeat(size - head.length - 1)}}`;
    return app.inject({
      method: "POST",
      url: "/things/a",
      headers: { "content-type": "application/json" },
      payload,
    });
  };
  t.equal((await send(100)).statusCode, 200);
  t.same([(await send(101)).statusCode, (await send(101)).json().code], [413, "PAYLOAD_TOO_LARGE"]);
  t.same((await app.inject("/list/x?limit=3")).json(), { limit: 3 }, "numbers of the query are converted");
});

t.test("request ids", async (t) => {
  const { app, log } = build();
  t.teardown(() => app.close());
  const id = async (given: string) =>
    (await app.inject({ url: "/list/x?limit=1", headers: { "x-request-id": given } })).headers[
      "x-request-id"
    ];
  t.equal(await id("abc-1.2_3"), "abc-1.2_3", "a well-formed id is kept");
  t.ok(
    log.lines.some(({ requestId }) => requestId === "abc-1.2_3"),
    "and is in the log",
  );
  for (const bad of ["a b", "x".repeat(129), "a\tb", '"']) {
    t.match(await id(bad), /^[0-9a-f-]{36}$/, `${JSON.stringify(bad)} is replaced`);
  }
});

t.test("readiness", async (t) => {
  const rows: [string, ReadyCheck[], number, string][] = [
    ["nothing to check is ready", [], 200, "ready"],
    ["all well is ready", [{ name: "a", ok: true, required: true }], 200, "ready"],
    [
      "an informational failure is ready",
      [{ name: "a", ok: false, required: false, message: "down" }],
      200,
      "ready",
    ],
    [
      "a required failure is not",
      [{ name: "a", ok: false, required: true, message: "down" }],
      503,
      "not ready",
    ],
  ];
  for (const [sentence, checks, status, word] of rows) {
    t.test(sentence, async (t) => {
      const { app } = build({ checks });
      t.teardown(() => app.close());
      const answer = await app.inject("/readyz");
      t.equal(answer.statusCode, status);
      t.match(answer.json(), { status: word, checks });
      t.equal((await app.inject("/healthz")).statusCode, 200, "alive all the same");
    });
  }
});

t.test("metrics count requests by route and status, and errors by code", async (t) => {
  const { app } = build();
  t.teardown(() => app.close());
  await app.inject("/things-canary");
  await app.inject({ method: "POST", url: "/things/canary", payload: {} });
  const { body, headers } = await app.inject("/metrics");
  t.match(headers["content-type"], /^text\/plain/);
  t.match(body, 'keyswitch_http_requests_total{route="/things/*",status="400"} 1');
  t.match(body, 'keyswitch_http_requests_total{route="unknown",status="404"} 1');
  t.match(body, 'keyswitch_errors_total{code="INVALID_REQUEST"} 1');
  t.match(body, 'keyswitch_http_request_seconds_count{route="/things/*",status="400"} 1');
  t.notMatch(body, /canary/);
});

t.test("a route without a scope can't be added", async (t) => {
  const { app } = build();
  t.teardown(() => app.close());
  t.throws(() => app.get("/forgotten", async () => "x"), { message: "route /forgotten names no scope" });
});

t.test("a plain listener on loopback answers none but its own names", async (t) => {
  const app = buildServer({
    logger: recordedLog().logger,
    registry: new Registry(),
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    ready: () => [],
  });
  t.teardown(() => app.close());
  app.get("/read", { config: { scope: "read" } }, async () => "ok");
  for (const host of ["localhost", "LOCALHOST:8444", "127.0.0.1:8444", "127.0.0.2", "[::1]:8444", "[::1]"]) {
    t.equal((await app.inject({ url: "/read", headers: { host } })).statusCode, 200, host);
  }
  for (const host of [
    "evil.example",
    "evil.example:8444",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
  ]) {
    for (const url of ["/read", "/healthz", "/none"]) {
      const answer = await app.inject({ url, headers: { host } });
      t.equal(answer.statusCode, 403, `${url} of ${host}`);
      t.match(answer.json(), { code: "FORBIDDEN", message: /Host header/ });
    }
  }
});
