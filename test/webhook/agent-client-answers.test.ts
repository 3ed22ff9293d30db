// SPDX-License-Identifier: Apache-2.0
// Tests the parsing of each agent response: only verified data count as data, and only the agent's own word as absence.
import t from "tap";
import type { Reading } from "../../hooks/hsmsecret/reading.ts";
import { readingOf } from "../../server/webhook/agent-answers.ts";
import { secretBody } from "../doubles/agent.ts";

const path = "secrets/team-a/db";
const good = secretBody(path, { password: "canary-value", user: "canary-user" });
const other = secretBody(path, { password: "other" }).checksum;
const text = (body: unknown) => JSON.stringify(body);
const notFound = text({ code: "SECRET_NOT_FOUND", message: "canary-message" });
const refused = (what: string): Reading => ({
  outcome: "unavailable",
  code: "AGENT_REFUSED",
  message: `agent hsm-a ${what}.`,
});
const notASecret = refused("answered something that is not a secret");
const { device: _, path: __, ...found } = good;

type Row = [
  sentence: string,
  status: number,
  body: string,
  expected: Reading,
  headers?: Record<string, string>,
  ifNoneMatch?: string,
];
const rows: Row[] = [
  [
    "good data is found, by the agent's name",
    200,
    text(good),
    { outcome: "found", ...found, device: "hsm-a" },
  ],
  [
    "an ETag that fits is fine",
    200,
    text(good),
    { outcome: "found", ...found, device: "hsm-a" },
    { etag: `"${good.checksum}"` },
  ],
  [
    "an ETag that does not fit is not",
    200,
    text(good),
    refused("answered an ETag that does not fit the data"),
    { etag: `"${other}"` },
  ],
  [
    "a wrong checksum is not data",
    200,
    text({ ...good, checksum: other }),
    refused("answered data that does not fit its checksum"),
  ],
  [
    "a missing key is not data",
    200,
    text({ ...good, data: { user: good.data.user } }),
    refused("answered data that does not fit its checksum"),
  ],
  [
    "a lost data object is not an empty secret",
    200,
    text({ ...good, data: {} }),
    refused("answered a secret without keys"),
  ],
  [
    "nor is one whose checksum fits",
    200,
    text(secretBody(path, {})),
    refused("answered a secret without keys"),
  ],
  [
    "another path is not data",
    200,
    text(secretBody("secrets/team-a/db-prod", { a: "b" })),
    refused("answered for another path"),
  ],
  [
    "damaged base64 is not data",
    200,
    text({ ...good, data: { ...good.data, user: "!!!" } }),
    refused("answered a value that is not base64"),
  ],
  ["a cut body is not data", 200, text(good).slice(0, -9), notASecret],
  ["an empty body is not data", 200, "", notASecret],
  ["HTML is not data", 200, "<html>canary</html>", notASecret],
  ["a body without a checksum is not data", 200, text({ path, data: {} }), notASecret],
  ["values that are not text are not data", 200, text({ ...good, data: { a: 1 } }), notASecret],
  ["nor under a key with a line break", 200, text({ ...good, data: { "a\nb": 1 } }), notASecret],
  [
    "304 to the asked checksum is unchanged",
    304,
    "",
    { outcome: "unchanged", device: "hsm-a" },
    {},
    good.checksum,
  ],
  [
    "304 with the asked ETag is unchanged",
    304,
    "",
    { outcome: "unchanged", device: "hsm-a" },
    { etag: `"${good.checksum}"` },
    good.checksum,
  ],
  [
    "304 with another ETag is not",
    304,
    "",
    refused("answered 304 to something else than was asked"),
    { etag: `"${other}"` },
    good.checksum,
  ],
  ["304 without a condition is not", 304, "", refused("answered 304 to something else than was asked")],
  ["the agent's 404 is absence", 404, notFound, { outcome: "absent", device: "hsm-a" }],
  [
    "a proxy's 404 is not absence",
    404,
    "not found",
    refused("answered 404 without SECRET_NOT_FOUND: is its address right?"),
  ],
  [
    "404 of a route is not absence",
    404,
    text({ code: "NOT_FOUND", message: "x" }),
    refused("answered 404 without SECRET_NOT_FOUND: is its address right?"),
  ],
  ["SECRET_NOT_FOUND with another status is not absence", 410, notFound, refused("answered HTTP 410")],
  ["SECRET_NOT_FOUND with 503 is not absence", 503, notFound, refused("answered HTTP 503")],
  [
    "401 is refused",
    401,
    text({ code: "UNAUTHENTICATED", message: "x" }),
    refused("refused the webhook's credentials (HTTP 401)"),
  ],
  ["403 is refused", 403, "", refused("refused the webhook's credentials (HTTP 403)")],
  ["a redirect is not followed", 302, "", refused("answered HTTP 302"), { location: "http://127.0.0.1:1/" }],
  ["204 is nothing", 204, "", refused("answered HTTP 204")],
  ["206 is not data", 206, text(good), refused("answered HTTP 206")],
  ["500 is refused", 500, text({ code: "INTERNAL", message: "canary" }), refused("answered HTTP 500")],
  [
    "a busy agent's advice is kept",
    429,
    text({ code: "TOO_BUSY", message: "x" }),
    { ...refused("answered HTTP 429"), retryAfterSeconds: 7 } as Reading,
    { "retry-after": "7" },
  ],
  [
    "a date as advice is ignored",
    429,
    "",
    refused("answered HTTP 429"),
    { "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" },
  ],
  ["advice of days is ignored", 429, "", refused("answered HTTP 429"), { "retry-after": "9999" }],
  [
    "503 with an unknown code is refused",
    503,
    text({ code: "CANARY", message: "canary" }),
    refused("answered HTTP 503"),
  ],
];
for (const code of [
  "TOKEN_UNAVAILABLE",
  "PIN_LOCKED",
  "PIN_INCORRECT",
  "TIMEOUT",
  "STORAGE_INVALID",
  "LABEL_INVALID",
] as const) {
  rows.push([
    `${code} is passed on`,
    503,
    text({ code, message: "canary-message" }),
    { outcome: "unavailable", code, message: "", retryAfterSeconds: 5 },
    { "retry-after": "5" },
  ]);
}

for (const [sentence, status, body, expected, headers = {}, ifNoneMatch] of rows) {
  t.test(sentence, async (t) => {
    const asked = { agent: "hsm-a", path, ...(ifNoneMatch !== undefined && { ifNoneMatch }) };
    const reading = readingOf(asked, { status, headers, body });
    if (reading.outcome === "unavailable") {
      t.notMatch(JSON.stringify(reading), /canary/, "no text of the agent");
    }
    if (expected.outcome === "unavailable" && expected.message === "" && reading.outcome === "unavailable") {
      t.match(reading.message, /^agent hsm-a: .+\.$/);
      t.same({ ...reading, message: "" }, expected);
    } else t.same(reading, expected);
  });
}
