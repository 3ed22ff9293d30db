// SPDX-License-Identifier: Apache-2.0
// A thousand malformed requests at each agent route: no 5xx, nothing in the log that calls for a person, nothing changed.
import { randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import fc from "fast-check";
import { pino } from "pino";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { createMemoryStore } from "../../scripts/local/memory-store.ts";
import { buildAgentApp } from "../../server/agent/app.ts";

const RUNS = 1000;
const SEED = 20_240_607;
const PATH = "secrets/a/db";

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "SEARCH"];
const method = fc.oneof(
  { weight: 3, arbitrary: fc.constant("GET") },
  { weight: 1, arbitrary: fc.constantFrom(...methods) },
);
const oddPieces = [
  "%00",
  "\u0000",
  "%2F",
  "%2e%2e",
  "..",
  ".",
  "//",
  "%",
  "%zz",
  "%C3%A9",
  "%ff",
  "é",
  "😀",
].concat(
  [
    "\u202e",
    ";",
    "#",
    "?",
    "&",
    "=",
    "[]",
    "\\",
    "\r\n",
    "%0d%0a",
    "*",
    "__proto__",
    "constructor",
    "_metadata",
  ],
  ["secrets", "a", "db", "/", PATH, "a".repeat(300), "a/".repeat(2_000), "%61".repeat(6_000)],
);
const oddText = fc.oneof(
  fc.array(fc.constantFrom(...oddPieces), { maxLength: 6 }).map((pieces) => pieces.join("")),
  fc.string({ unit: "binary", maxLength: 40 }),
);
const path = fc.oneof(
  { weight: 2, arbitrary: oddText },
  { weight: 1, arbitrary: fc.constantFrom("", `/${PATH}`, "/secrets%2Fa%2Fdb") },
);
const query = fc.oneof(
  fc.constant(""),
  oddText.map((text) => `?prefix=${text}`),
  oddText.map((text) => `?${text}`),
  fc.constantFrom("?prefix=a&prefix=b", "?prefix[]=a", "?__proto__=a", "?prefix", "?prefix=%00"),
);
const headerName = fc.constantFrom(
  ...["if-none-match", "cache-control", "content-type", "x-request-id", "accept", "expect", "authorization"],
  ...["content-length", "transfer-encoding", "range", "upgrade", "connection", "x-http-method-override"],
);
const headerValue = fc.oneof(
  fc.constantFrom(
    '"',
    '*, W/"',
    'W/"sha256:0"',
    ",,,,",
    "no-cache",
    'no-cache="',
    "-1",
    "chunked",
    "100-continue",
  ),
  fc.constantFrom(
    "application/json",
    "multipart/form-data",
    "Bearer",
    "a".repeat(9_000),
    '"a",'.repeat(3_000),
  ),
  fc.string({ unit: "binary-ascii", maxLength: 30 }),
);
const headers = fc.dictionary(headerName, headerValue, { maxKeys: 3 });
const payload = fc.option(
  fc.oneof(fc.json(), fc.string({ unit: "binary" }), fc.constantFrom("{", "x".repeat(70_000))),
  { nil: undefined },
);

/** Which paths a request below the route stands for; the first are the route itself. */
const routes: [route: string, below: fc.Arbitrary<string>][] = [
  ["/v1/secrets", fc.constant("")],
  ["/v1/secrets/", path],
  ["/v1/info", fc.oneof({ weight: 4, arbitrary: fc.constant("") }, { weight: 1, arbitrary: path })],
  ["/v1/devices", fc.oneof({ weight: 4, arbitrary: fc.constant("") }, { weight: 1, arbitrary: path })],
];

const start = (t: Test) => {
  const loud: string[] = [];
  const log = new Writable({
    write: (line: Buffer, _encoding, done) => {
      loud.push(line.toString());
      done();
    },
  });
  const store = createMemoryStore("token-a");
  store.put(PATH, { user: randomBytes(9) });
  const app = buildAgentApp({
    store,
    logger: pino({ level: "error" }, log),
    registry: new Registry(),
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    device: "hsm-a",
    node: "node-a",
    sysfsRoot: t.testdir({}),
  });
  t.teardown(() => app.close());
  return { app, store, loud };
};

for (const [route, below] of routes)
  t.test(`${RUNS} malformed requests at ${route}`, async (t) => {
    const { app, store, loud } = start(t);
    const before = [await store.list(""), await store.read(PATH)];
    const statuses: Record<number, number> = {};
    await fc.assert(
      fc.asyncProperty(
        fc.record({ method, below, query, headers, payload }),
        async ({ method, below, query, headers, payload }) => {
          // The type of inject has only the methods that are usual.
          const request = { method: method as "GET", url: `${route}${below}${query}`, headers };
          const answer = await app.inject(payload === undefined ? request : { ...request, payload });
          statuses[answer.statusCode] = (statuses[answer.statusCode] ?? 0) + 1;
          if (answer.statusCode >= 500) throw new Error(`answered ${answer.statusCode} ${answer.body}`);
          if (answer.statusCode < 400 || method === "HEAD") return;
          const { code, message } = answer.json();
          if (!/^[A-Z_]+$/.test(code) || !message) throw new Error(`answered ${answer.body}`);
        },
      ),
      { numRuns: RUNS, seed: SEED },
    );
    t.comment(`answers by status: ${JSON.stringify(statuses)}`);
    t.ok(statuses[200] && (statuses[400] ?? statuses[405]), "some were understood and some were not");
    t.same([await store.list(""), await store.read(PATH)], before, "the store holds what it held");
    t.same(loud, [], "nothing is logged as an error");
  });
