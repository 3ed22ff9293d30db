// SPDX-License-Identifier: Apache-2.0
// Fuzzes each agent route with a thousand malformed requests: no 5xx, no error in the log, and no change by a request that was
// rejected or only reads.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { b64, writableAgent } from "../writable-agent.ts";

const RUNS = 1000;
const SEED = 20_240_607;
const PATH = "secrets/a/db";

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "SEARCH"];
/** Mostly a method that the route knows. */
const methodOf = (...known: string[]) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...known) },
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
  ...[
    "if-match",
    "if-none-match",
    "cache-control",
    "content-type",
    "x-request-id",
    "accept",
    "expect",
    "authorization",
  ],
  ...["content-length", "transfer-encoding", "range", "upgrade", "connection", "x-http-method-override"],
);
const headerValue = fc.oneof(
  fc.constantFrom(
    '"',
    '*, W/"',
    "*",
    '"sha256:0"',
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
    "application/merge-patch+json",
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

/** Parts of bodies, right and wrong. */
const oddKey = fc.constantFrom(
  "user",
  "tls.key",
  "",
  ".",
  "..",
  "_metadata",
  "a/b",
  "a\nb",
  "é",
  "toString",
  "k".repeat(254),
);
const oddValue = fc.oneof(
  fc.constantFrom<unknown>(
    b64("value"),
    "",
    null,
    "x",
    "YQ",
    "YR==",
    "-_-_",
    1,
    {},
    [],
    true,
    "A".repeat(70_000),
  ),
  fc.uint8Array({ maxLength: 20 }).map(b64),
  fc.string({ unit: "binary", maxLength: 20 }),
);
const oddPath = fc.constantFrom<unknown>(
  PATH,
  "new/path",
  "a//b",
  "a/../b",
  "",
  "a/_metadata",
  "é",
  1,
  null,
  "a".repeat(256),
);
const oddData = fc.oneof(
  { weight: 3, arbitrary: fc.constant<unknown>({ user: b64("value") }) },
  { weight: 2, arbitrary: fc.dictionary(oddKey, oddValue, { maxKeys: 3 }) },
  { weight: 1, arbitrary: oddValue },
);
const oddMetadata = fc.record(
  {
    description: fc.constantFrom<unknown>("text", null, 1, "x".repeat(1025)),
    labels: fc.oneof(
      fc.constantFrom<unknown>(null, [], "x"),
      fc.dictionary(fc.constantFrom("team", "sync.a", ""), oddValue),
    ),
    colour: fc.constant("none"),
  },
  { requiredKeys: [] },
);
/** A body whose fields are mostly there; `more` is not known to any route. */
const bodyOf = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ ...fields }, { requiredKeys: [] }) },
    { weight: 1, arbitrary: fc.record({ ...fields, more: oddValue }) },
    { weight: 1, arbitrary: oddValue },
  );
const metadata = fc.option(oddMetadata, { nil: undefined });
const secretBody = bodyOf({ data: oddData, metadata });
const items = fc.array(fc.record({ path: oddPath, data: oddData, metadata }), { maxLength: 3 });
const importBody = bodyOf({
  secrets: fc.oneof(items, oddValue),
  ifExists: fc.constantFrom<unknown>("skip", "replace", "fail", undefined, "merge", 1),
});
const repackBody = bodyOf({
  paths: fc.oneof(fc.array(oddPath, { maxLength: 3 }), oddValue),
  layout: fc.constantFrom<unknown>("packed", "per-key", undefined, "flat"),
});
const repairBody = bodyOf({ dryRun: fc.constantFrom<unknown>(true, false, undefined, "yes", 1, null) });
const pinBody = bodyOf({
  currentPin: fc.constantFrom<unknown>("1234", "", null, 1, "x".repeat(256)),
  newPin: fc.constantFrom<unknown>("1234", "", null, 1, "123\n4", "x".repeat(256)),
});

/** Mostly nothing, so that the route itself is asked. */
const mostlyItself = fc.oneof({ weight: 4, arbitrary: fc.constant("") }, { weight: 1, arbitrary: path });
/** Mostly the secret that is there. */
const mostlyThere = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(PATH, PATH, "secrets/a/none") },
  { weight: 1, arbitrary: path },
);
const noBody = fc.constant<unknown>(undefined);

type Fuzzed = {
  route: string;
  method: fc.Arbitrary<string>;
  /** What stands behind the route. */
  below: fc.Arbitrary<string>;
  body: fc.Arbitrary<unknown>;
};
const routes: Fuzzed[] = [
  { route: "/v1/secrets", method: methodOf("GET"), below: fc.constant(""), body: noBody },
  { route: "/v1/secrets/", method: methodOf("GET"), below: mostlyThere, body: noBody },
  { route: "/v1/secrets/", method: methodOf("PUT", "PATCH", "DELETE"), below: mostlyThere, body: secretBody },
  { route: "/v1/info", method: methodOf("GET"), below: mostlyItself, body: noBody },
  { route: "/v1/devices", method: methodOf("GET"), below: mostlyItself, body: noBody },
  { route: "/v1/refresh", method: methodOf("POST"), below: mostlyItself, body: noBody },
  { route: "/v1/import", method: methodOf("POST"), below: mostlyItself, body: importBody },
  { route: "/v1/export", method: methodOf("GET"), below: mostlyItself, body: noBody },
  { route: "/v1/repack", method: methodOf("POST"), below: mostlyItself, body: repackBody },
  { route: "/v1/repair", method: methodOf("POST"), below: mostlyItself, body: repairBody },
  { route: "/v1/pin", method: methodOf("POST"), below: mostlyItself, body: pinBody },
];
const WRITES = new Set(["PUT", "PATCH", "DELETE", "POST"]);

for (const { route, method, below, body } of routes) {
  t.test(`${RUNS} malformed requests at ${route}`, async (t) => {
    const { app, store, log, tokens, pin } = writableAgent(t, { level: "error" });
    store.put(PATH, { user: randomBytes(9) });
    // A list has checksum, version and layout of each secret.
    const held = async () => JSON.stringify([await store.list(""), await store.setPin(pin, pin)]);
    const statuses: Record<number, number> = {};
    const json = { "content-type": "application/json" };
    // Most bodies are of the route, the others anything.
    const sent = fc.oneof(
      {
        weight: 4,
        arbitrary: body.map((value) =>
          value === undefined ? {} : { payload: JSON.stringify(value), headers: json },
        ),
      },
      { weight: 1, arbitrary: payload.map((text) => (text === undefined ? {} : { payload: text })) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.record({ method, below, query, headers, sent }),
        async ({ method, below, query, headers, sent: { headers: type, ...sent } }: Request) => {
          const before = await held();
          const answer = await app.inject({
            // The type of inject has only the methods that are usual.
            method: method as "GET",
            url: `${route}${below}${query}`,
            headers: { authorization: `Bearer ${tokens.writer}`, ...type, ...headers },
            ...sent,
          });
          statuses[answer.statusCode] = (statuses[answer.statusCode] ?? 0) + 1;
          const isUnchanged = (await held()) === before;
          if (answer.statusCode < 400) {
            if (!WRITES.has(method) && !isUnchanged) throw new Error("a read changed the store");
            // What is written is put back, so that the next request finds it.
            store.remove("new/path");
            store.put(PATH, { user: randomBytes(9) });
            return;
          }
          if (!isUnchanged) throw new Error("a refused request changed the store");
          checkRefusal(method, answer);
        },
      ),
      { numRuns: RUNS, seed: SEED },
    );
    t.comment(`answers by status: ${JSON.stringify(statuses)}`);
    const understood = [200, 201, 204, 403].some((status) => (statuses[status] ?? 0) > 0);
    t.ok(understood && (statuses[400] ?? statuses[405]), "some were understood and some were not");
    t.same(log.lines, [], "nothing is logged as an error");
  });
}

/** A refusal is one of the agent's own, with a code and a text. */
const checkRefusal = (method: string, { statusCode, body }: { statusCode: number; body: string }): void => {
  if (statusCode >= 500) throw new Error(`answered ${statusCode} ${body}`);
  if (method === "HEAD") return;
  const { code, message } = JSON.parse(body);
  if (!/^[A-Z_]+$/.test(code) || !message) throw new Error(`answered ${body}`);
};

type Request = {
  method: string;
  below: string;
  query: string;
  headers: Record<string, string>;
  sent: { payload?: string; headers?: Record<string, string> };
};
