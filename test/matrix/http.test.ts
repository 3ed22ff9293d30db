// SPDX-License-Identifier: Apache-2.0
// Tests requests to a homeserver: the result of each answer and each failure, and that nothing of a server's text gets through.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { doHttpRequest } from "matrix-bot-sdk/lib/http.js";
import { LogLevel, LogService } from "matrix-bot-sdk/lib/logging/LogService.js";
import { MatrixError } from "matrix-bot-sdk/lib/models/MatrixError.js";
import { getRequestFn, setRequestFn } from "matrix-bot-sdk/lib/request.js";
import t, { type Test } from "tap";
import { createMatrixHttp, describeFault, type MatrixHttpOptions } from "../../server/matrix/http.ts";
import { createHttpExchange } from "../../server/matrix/http-exchange.ts";
import { createSdkRequest } from "../../server/matrix/sdk-request.ts";
import { createAuthority } from "../http/authority.ts";
import { recordedLog } from "../http/recorded-log.ts";

const serve = async (t: Test, server: Server, scheme = "http"): Promise<string> => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return `${scheme}://127.0.0.1:${port}`;
};
const answering = (t: Test, listener: RequestListener) => serve(t, createServer(listener));
const open = (t: Test, homeserver: string, options: Partial<MatrixHttpOptions> = {}) => {
  const http = createMatrixHttp({ homeserver, ...options });
  t.teardown(() => http.close());
  return http;
};
const get = { method: "GET", path: "/_matrix/client/versions", timeoutMs: 5000 } as const;

const hidden = randomBytes(12).toString("hex");
const matrix = (errcode: string, more = {}) => JSON.stringify({ errcode, error: hidden, ...more });

const answers: [
  sentence: string,
  status: number,
  headers: Record<string, string>,
  body: string,
  expected: object,
][] = [
  ["JSON", 200, {}, '{"a":1}', { ok: true, status: 200, body: { a: 1 } }],
  [
    "an error of Matrix",
    403,
    {},
    matrix("M_FORBIDDEN"),
    { ok: false, kind: "matrix", status: 403, errcode: "M_FORBIDDEN", softLogout: false },
  ],
  [
    "an expired token",
    401,
    {},
    matrix("M_UNKNOWN_TOKEN", { soft_logout: true }),
    { ok: false, kind: "matrix", status: 401, errcode: "M_UNKNOWN_TOKEN", softLogout: true },
  ],
  [
    "a soft logout that is no boolean",
    401,
    {},
    matrix("M_UNKNOWN_TOKEN", { soft_logout: "yes" }),
    { ok: false, kind: "matrix", status: 401, errcode: "M_UNKNOWN_TOKEN", softLogout: false },
  ],
  [
    "a limit with a time in the body",
    429,
    { "retry-after": "9" },
    matrix("M_LIMIT_EXCEEDED", { retry_after_ms: 1500 }),
    {
      ok: false,
      kind: "matrix",
      status: 429,
      errcode: "M_LIMIT_EXCEEDED",
      softLogout: false,
      retryAfterMs: 1500,
    },
  ],
  [
    "a limit with a time in the header",
    429,
    { "retry-after": "9" },
    matrix("M_LIMIT_EXCEEDED"),
    {
      ok: false,
      kind: "matrix",
      status: 429,
      errcode: "M_LIMIT_EXCEEDED",
      softLogout: false,
      retryAfterMs: 9000,
    },
  ],
  [
    "an errcode that is none",
    400,
    {},
    matrix(`${hidden} and more`),
    { ok: false, kind: "matrix", status: 400, errcode: "M_UNKNOWN", softLogout: false },
  ],
  ["a proxy's page", 502, {}, `<p>${hidden}`, { ok: false, kind: "http", status: 502 }],
  ["JSON of something else", 404, {}, `{"detail":"${hidden}"}`, { ok: false, kind: "http", status: 404 }],
  ["a page where JSON is due", 200, {}, `<p>${hidden}`, { ok: false, kind: "not-json", status: 200 }],
  [
    "a redirect, which is not followed",
    302,
    { location: "/_matrix/client/versions" },
    "",
    { ok: false, kind: "http", status: 302 },
  ],
  [
    "more than is taken",
    200,
    {},
    JSON.stringify(hidden.repeat(1000)),
    { ok: false, kind: "refused", what: "answered more than is taken" },
  ],
];
for (const [sentence, status, headers, body, expected] of answers) {
  t.test(`an answer that is ${sentence}`, async (t) => {
    const url = await answering(t, (_, response) => response.writeHead(status, headers).end(body));
    const answer = await open(t, url, { maxResponseBytes: 10_000 }).request(get);
    t.same(answer, expected);
    if (!answer.ok) t.notOk(`${JSON.stringify(answer)}${describeFault(answer)}`.includes(hidden));
  });
}

t.test("a request has its query, body and token where Matrix wants them", async (t) => {
  const seen: unknown[] = [];
  const url = await answering(t, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { authorization, "content-type": type } = request.headers;
    seen.push([request.method, request.url, authorization, type, Buffer.concat(chunks).toString()]);
    response.end("{}");
  });
  await open(t, `${url}/below`).request({
    method: "PUT",
    path: "/_matrix/x",
    query: { since: "a b&c", timeout: 0, full_state: false, filter: undefined },
    body: { text: "ü" },
    accessToken: hidden,
    timeoutMs: 5000,
  });
  t.same(seen, [
    [
      "PUT",
      "/below/_matrix/x?since=a+b%26c&timeout=0&full_state=false",
      `Bearer ${hidden}`,
      "application/json",
      '{"text":"ü"}',
    ],
  ]);
});

t.test("a homeserver that is silent, gone, or not waited for", async (t) => {
  const silent = open(t, await answering(t, () => {}));
  t.match(await silent.request({ ...get, timeoutMs: 50 }), { ok: false, kind: "timeout" });
  const stop = new AbortController();
  const waiting = silent.request({ ...get, signal: stop.signal });
  stop.abort();
  t.match(await waiting, { ok: false, kind: "aborted" });
  t.match(await open(t, "http://127.0.0.1:1").request(get), {
    ok: false,
    kind: "unreachable",
    what: "refused the connection",
  });
  t.match(await open(t, "http://keyswitch.invalid").request(get), { ok: false, kind: "unreachable" });
});

t.test(
  "connections are kept; one that was closed meanwhile costs a GET nothing, and a POST is not sent twice",
  async (t) => {
    const sockets = new Set<Socket>();
    let requests = 0;
    let breakNext = false;
    const url = await answering(t, (request, response) => {
      requests += 1;
      sockets.add(request.socket);
      if (breakNext) {
        breakNext = false;
        request.socket.destroy();
      } else response.end("{}");
    });
    const http = open(t, url);
    await http.request(get);
    // A connection is free one turn after its answer.
    await new Promise(setImmediate);
    await http.request(get);
    t.equal(sockets.size, 1);
    breakNext = true;
    t.match(await http.request(get), { ok: true });
    t.equal(requests, 4);
    breakNext = true;
    t.match(await http.request({ ...get, method: "POST" }), { ok: false, kind: "unreachable" });
    t.equal(requests, 5);
  },
);

t.test("https is checked against the CA file, which is read again when it changes", async (t) => {
  const right = createAuthority(t.testdir());
  const { certFile, keyFile } = right.issue("server");
  const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const url = await serve(
    t,
    createTlsServer(tls, (_, response) => response.end("{}")),
    "https",
  );
  const local = url.replace("127.0.0.1", "localhost");
  const caFile = join(t.testdirName, "trusted.pem");
  t.match(await open(t, local).request(get), {
    ok: false,
    kind: "unreachable",
    what: /certificate that is not trusted/,
  });
  const wrong = createAuthority(t.testdirName, "other");
  copyFileSync(wrong.caFile, caFile);
  let now = 0;
  const http = open(t, local, { caFile, now: () => now });
  t.match(await http.request(get), { ok: false, kind: "unreachable" });
  copyFileSync(right.caFile, caFile);
  now = 10_000;
  t.match(await http.request(get), { ok: true });
  const log = recordedLog();
  const kept = open(t, local, { caFile, now: () => now, logger: log.logger });
  const [half = ""] = readFileSync(wrong.caFile, "utf8").split("-----END");
  writeFileSync(caFile, half);
  now = 20_000;
  t.match(await kept.request(get), { ok: true }, "a file that is not whole is not taken");
  t.match(log.lines, [{ level: "error", msg: /does not hold whole PEM certificates/ }]);
});

t.test("matrix-bot-sdk's requests take our way", async (t) => {
  const former = getRequestFn();
  const formerLevel = LogService.level;
  LogService.setLevel(LogLevel.ERROR);
  LogService.muteModule("MatrixHttpClient");
  const exchange = createHttpExchange({});
  setRequestFn(createSdkRequest(exchange));
  t.teardown(async () => {
    setRequestFn(former);
    LogService.setLevel(formerLevel);
    await exchange.close();
  });
  const url = await answering(t, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (request.url?.startsWith("/error")) response.writeHead(403).end(matrix("M_FORBIDDEN"));
    else if (request.url?.startsWith("/bytes")) response.end(Buffer.from([0, 255]));
    else {
      response.end(
        JSON.stringify([
          request.method,
          request.url,
          request.headers.authorization,
          Buffer.concat(chunks).toString(),
        ]),
      );
    }
  });
  t.same(
    await doHttpRequest(
      url,
      "POST",
      "/a",
      { via: ["x", "y"], no: undefined },
      { b: 1 },
      { Authorization: "Bearer z" },
    ),
    ["POST", "/a?via=x&via=y", "Bearer z", '{"b":1}'],
  );
  t.same(
    await doHttpRequest(url, "GET", "/bytes", null, null, {}, 5000, false, "x/y", true),
    Buffer.from([0, 255]),
  );
  const error: unknown = await doHttpRequest(url, "GET", "/error").catch((caught) => caught);
  t.ok(error instanceof MatrixError);
  t.match(error, { errcode: "M_FORBIDDEN", statusCode: 403 });
  const gone: unknown = await doHttpRequest("http://127.0.0.1:1", "GET", "/").catch((caught) => caught);
  t.match(gone, { code: "unreachable", message: "The homeserver refused the connection" });
});
