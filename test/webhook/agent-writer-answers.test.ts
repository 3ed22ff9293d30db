// SPDX-License-Identifier: Apache-2.0
// Tests the parsing of each agent response to a write or a removal: only a confirmation of what was requested is success.
import t from "tap";
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import { codesOf, type ErrorCode, errors } from "../../hooks/error-codes.ts";
import { removalOutcomeOf, writeOutcomeOf } from "../../server/webhook/agent-writer.ts";

const path = "secrets/team-a/db";
const checksum = checksumOfBase64({ a: "MQ==" });
const asked = { agent: "hsm-a", path, checksum };
const written = { path, outcome: "changed", checksum, keys: ["a"], version: 4, device: "x" };
const removed = { path, outcome: "deleted", checksum, device: "x" };
const error = (code: string) => ({ code, message: "canary-message" });
const odd = (what: string) => ({
  outcome: "unavailable",
  code: "AGENT_REFUSED",
  message: `agent hsm-a ${what}.`,
});
const refused = (code: ErrorCode) => ({
  outcome: "refused",
  code,
  message: `agent hsm-a: ${errors[code].text}`,
});

type Row = [
  sentence: string,
  status: number,
  body: unknown,
  expected: object,
  headers?: Record<string, string>,
];

const failures: Row[] = [
  [
    "401 is the write token's fault",
    401,
    error("UNAUTHENTICATED"),
    { outcome: "refused", code: "FORBIDDEN" },
  ],
  [
    "so is 403",
    403,
    error("FORBIDDEN"),
    { outcome: "refused", code: "FORBIDDEN", message: /WRITE_TOKEN_FILE/ },
  ],
  ["a full token refuses", 507, error("TOKEN_FULL"), refused("TOKEN_FULL")],
  ["a write that does not show refuses", 507, error("WRITE_NOT_SHOWN"), refused("WRITE_NOT_SHOWN")],
  ["too large a secret is refused", 413, error("SECRET_TOO_LARGE"), refused("SECRET_TOO_LARGE")],
  ["an ambiguous path is refused", 409, error("PATH_AMBIGUOUS"), refused("PATH_AMBIGUOUS")],
  ["a key that the token can't have is refused", 400, error("INVALID_REQUEST"), refused("INVALID_REQUEST")],
  ["a proxy's 413 is not the agent's word", 413, "<html>", odd("answered HTTP 413")],
  ["a code with another status is not either", 500, error("TOKEN_FULL"), odd("answered HTTP 500")],
  ["a 404 without its code is not absence", 404, error("NOT_FOUND"), odd("answered HTTP 404")],
  [
    "a cut write is uncertain, with the agent's advice",
    503,
    error("WRITE_UNCERTAIN"),
    { outcome: "unavailable", code: "WRITE_UNCERTAIN", retryAfterSeconds: 7 },
    { "retry-after": "7" },
  ],
  ["a token that is gone is unavailable", 503, error("TOKEN_UNAVAILABLE"), { code: "TOKEN_UNAVAILABLE" }],
  ["a busy agent is unavailable", 429, error("TOO_BUSY"), { outcome: "unavailable", code: "TOO_BUSY" }],
];

const writes: Row[] = [
  ["a changed secret is written", 200, written, { outcome: "written" }],
  ["a created one too", 201, { ...written, outcome: "created" }, { outcome: "written" }],
  ["one that was so already too", 200, { ...written, outcome: "unchanged" }, { outcome: "written" }],
  [
    "another checksum is not what was written",
    200,
    { ...written, checksum: checksumOfBase64({}) },
    odd("answered about something else than was written"),
  ],
  [
    "another path is not either",
    200,
    { ...written, path: "secrets/team-a/other" },
    odd("answered about something else than was written"),
  ],
  ["a page is not a write", 200, "<html>", odd("answered something that is not about a write")],
  ["412 is the condition", 412, error("PRECONDITION_FAILED"), { outcome: "precondition" }],
  ["a proxy's 412 is not", 412, "", odd("answered HTTP 412")],
  [
    "a patch of what is gone is the condition too",
    404,
    error("SECRET_NOT_FOUND"),
    { outcome: "precondition" },
  ],
  ...failures,
];

const removals: Row[] = [
  ["what was deleted is removed", 200, removed, { outcome: "removed" }],
  ["what was not there is removed", 404, error("SECRET_NOT_FOUND"), { outcome: "removed" }],
  [
    "another path is not it",
    200,
    { ...removed, path: "x" },
    odd("answered something that is not about the removal"),
  ],
  ["a page is not a removal", 200, "<html>", odd("answered something that is not about the removal")],
  ...failures,
];

const answerOf = ([, status, body, , headers = {}]: Row) => ({
  status,
  headers,
  body: typeof body === "string" ? body : JSON.stringify(body),
});

for (const row of writes) {
  t.test(`write: ${row[0]}`, async (t) => {
    const outcome = writeOutcomeOf(asked, answerOf(row));
    t.match(outcome, row[3]);
    t.notMatch(JSON.stringify(outcome), /canary/);
  });
}
for (const row of removals) {
  t.test(`removal: ${row[0]}`, async (t) => {
    const outcome = removalOutcomeOf(asked, answerOf(row));
    t.match(outcome, row[3]);
    t.notMatch(JSON.stringify(outcome), /canary/);
  });
}

t.test("every code of the table that an agent may say of a token is passed on, and no other", async (t) => {
  const refusals: ErrorCode[] = codesOf("token-refuses", "agent-refuses");
  const troubles: ErrorCode[] = codesOf("token-unreadable", "path-unreadable", "passes");
  const others = Object.keys(errors).filter(
    (code) => ![...refusals, ...troubles].some((one) => one === code),
  );
  const outcomeOf = (code: string, status: number) =>
    removalOutcomeOf(asked, { status, headers: {}, body: JSON.stringify(error(code)) });
  for (const code of refusals) t.match(outcomeOf(code, errors[code].status), refused(code));
  for (const code of troubles) {
    t.match(outcomeOf(code, errors[code].status), { ...refused(code), outcome: "unavailable" });
  }
  for (const code of others) t.match(outcomeOf(code, 503), odd("answered HTTP 503"), code);
});
