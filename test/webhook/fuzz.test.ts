// SPDX-License-Identifier: Apache-2.0
// Fuzzes each hook with a thousand damaged bodies: every answer is a hook's or an error of the table, and none is a 5xx.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { holding, startAgent } from "../doubles/agent.ts";
import { type RecordedBody, recordedBody } from "./recorded-request.ts";
import { startWebhook } from "./webhook-under-test.ts";

const RUNS = 1000;
const canary = randomBytes(12).toString("base64");

const bodies = ["hsmsecret-customize", "hsmsecret-sync-no-child", "hsmsecret-sync-owned-child-ssa"]
  .concat("hsmsecret-sync-owned-child-dynamic-apply", "hsmsecret-sync-foreign-secret-in-related")
  .concat("hsmsecret-finalize-owned-child")
  .map((name) => {
    const body = recordedBody(name);
    // The canary stands where a Secret's values stand.
    for (const secret of Object.values<RecordedBody>(body.children?.["Secret.v1"] ?? {})) {
      secret.data.password = canary;
    }
    return body;
  });

/** Every place of a JSON value, as the keys that lead there. */
const placesOf = (value: unknown, here: readonly string[] = []): (readonly string[])[] =>
  typeof value === "object" && value !== null
    ? [here, ...Object.entries(value).flatMap(([key, inner]) => placesOf(inner, [...here, key]))]
    : [here];

const junk = fc.oneof(
  fc.constantFrom<unknown>(null, "", 0, -1, 1e308, true, [], {}, "\u0000", "\n", "../..", "x".repeat(70_000)),
  fc.jsonValue({ maxDepth: 2 }),
);
const oddKey = fc.constantFrom(
  "a\nb",
  "constructor",
  "toString",
  "hasOwnProperty",
  "",
  "\u2028",
  "length",
  "0",
);

/** `body` with one place replaced, taken out, or given a key that it did not have. */
const damaged = (body: RecordedBody): fc.Arbitrary<string> =>
  fc
    .record({
      place: fc.constantFrom(...placesOf(body).slice(1)),
      how: fc.constantFrom("replace", "remove", "add"),
      value: junk,
      key: oddKey,
    })
    .map(({ place, how, value, key }) => {
      const copy = structuredClone(body);
      let parent = copy;
      for (const step of place.slice(0, -1)) parent = parent[step];
      const last = place.at(-1) as string;
      if (how === "remove") delete parent[last];
      else if (how === "add" && Object.getPrototypeOf(parent[last] ?? 0) === Object.prototype) {
        parent[last][key] = value;
      } else parent[last] = value;
      return JSON.stringify(copy);
    });

/** `body` as text that was cut, or in which one character was replaced. */
const garbled = (body: RecordedBody): fc.Arbitrary<string> => {
  const text = JSON.stringify(body);
  return fc
    .record({ at: fc.nat(text.length - 1), by: fc.constantFrom("", '"', "{", "}", "\\", "\u0000", "9") })
    .map(({ at, by }) => (by === "" ? text.slice(0, at) : text.slice(0, at) + by + text.slice(at + 1)));
};

const payload = fc.oneof(
  { weight: 4, arbitrary: fc.oneof(...bodies.map(damaged)) },
  { weight: 1, arbitrary: fc.oneof(...bodies.map(garbled)) },
  { weight: 1, arbitrary: fc.json() },
);

for (const hook of ["customize", "sync", "finalize"]) {
  t.test(`${RUNS} damaged bodies at ${hook}`, async (t) => {
    const agent = await startAgent(t, holding("secrets/demo/app", { password: "x" }));
    const { post, log } = startWebhook(t, [agent]);
    const statuses: Record<number, number> = {};
    await fc.assert(
      fc.asyncProperty(payload, async (text) => {
        const answer = await post(hook, text as unknown as object, { "content-type": "application/json" });
        statuses[answer.statusCode] = (statuses[answer.statusCode] ?? 0) + 1;
        if (answer.statusCode === 200) return;
        const { code, message } = answer.json();
        const known =
          answer.statusCode === 400 && ["INVALID_REQUEST", "INVALID_JSON"].includes(code) && message;
        if (!known || answer.body.includes(canary)) {
          throw new Error(`answered ${answer.statusCode} ${answer.body}`);
        }
      }),
      { numRuns: RUNS, seed: 20261122 },
    );
    t.ok(statuses[400] && statuses[200], `answers by status: ${JSON.stringify(statuses)}`);
    t.notOk(log.text().includes(canary), "no value is in the log");
  });
}
