// SPDX-License-Identifier: Apache-2.0
// Tests the path policy's file: valid content, error messages, and that an invalid one never takes effect.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { loadPathPolicy, pathPolicySource } from "../../server/webhook/path-policy.ts";
import { recordedLog } from "../http/recorded-log.ts";

const rule = { namespace: "team-a", prefix: "shared/" };
const good: [sentence: string, text: string, policy: object[]][] = [
  ["JSON", '[{"namespace":"team-a","prefix":"shared/"}]', [rule]],
  ["YAML", "- namespace: team-a\n  prefix: shared/\n  write: true\n", [{ ...rule, write: true }]],
  [
    "write: false for a namespace's own paths",
    '[{"namespace":"*","write":false}]',
    [{ namespace: "*", write: false }],
  ],
  [
    "a quota",
    "- namespace: team-a\n  quota: {objects: 20, bytes: 65536}\n",
    [{ namespace: "team-a", quota: { objects: 20, bytes: 65536 } }],
  ],
  ["an empty list", "[]", []],
  ["an empty file", "# nothing yet\n", []],
];
for (const [sentence, text, value] of good) {
  t.test(`${sentence} is a policy`, async (t) =>
    t.same(loadPathPolicy(Buffer.from(text)), { ok: true, value }),
  );
}

const bad: [sentence: string, text: string, message: RegExp][] = [
  ["text that is neither", '{"a": canary', /^is neither JSON nor YAML \(line \d+\)$/],
  ["an object", '{"namespace":"canary"}', /^is not a path policy: document: Expected array$/],
  ["an unknown field", '[{"namespace":"a","prefix":"b","canary":1}]', /\[0\]\.canary: Unexpected property/],
  ["an emptied file", "", /^is empty; a policy without rules is \[\]$/],
  ["blank lines alone", " \n\n", /^is empty/],
  [
    "a rule that says nothing",
    '[{"namespace":"a"}]',
    /\[0\]\.prefix: is missing, and so are write and quota/,
  ],
  ["a missing namespace", '[{"prefix":"a"}]', /\[0\]\.namespace: /],
  [
    "a quota beside a prefix, among good rules",
    '[{"namespace":"a","prefix":"b"},{"namespace":"a","prefix":"b","quota":{"objects":1}}]',
    /: \[1\]\.quota: is about the namespace's own paths/,
  ],
  ["a quota without a limit", '[{"namespace":"a","quota":{}}]', /\[0\]\.quota: /],
  ["a quota below nothing", '[{"namespace":"a","quota":{"bytes":-1}}]', /\[0\]\.quota\.bytes: /],
  ["a quota of something else", '[{"namespace":"a","quota":{"canary":1}}]', /\[0\]\.quota/],
  ["a wrong type", '[{"namespace":"a","prefix":"b","write":"canary"}]', /\[0\]\.write: Expected boolean/],
  ["a prefix with blanks", '[{"namespace":"a","prefix":"canary canary"}]', /\[0\]\.prefix: /],
  ["an alias", "- &a {namespace: a, prefix: b}\n- *a\n", /^is neither JSON nor YAML/],
  [
    "a field that is there twice",
    '[{"namespace":"a","prefix":"b","prefix":"canary"}]',
    /^is neither JSON nor YAML/,
  ],
];
for (const [sentence, text, message] of bad) {
  t.test(`${sentence} is not`, async (t) => {
    const result = loadPathPolicy(Buffer.from(text));
    t.match(result, { ok: false, message });
    if (!["an unknown field", "a quota of something else"].includes(sentence)) {
      t.notMatch(JSON.stringify(result), /canary/);
    }
  });
}

t.test("without a file nothing is added", async (t) => {
  const source = pathPolicySource(undefined, recordedLog().logger);
  t.same([source.get(), source.fault()], [[], undefined]);
});

t.test("a change takes effect, and a bad one keeps the old policy and says so", async (t) => {
  const file = join(t.testdir({ policy: JSON.stringify([rule]) }), "policy");
  const { logger, lines } = recordedLog();
  let now = 0;
  const source = pathPolicySource(file, logger, () => now);
  const later = () => {
    now += 1000;
    return source.get();
  };
  t.same(later(), [rule]);
  writeFileSync(file, "[]");
  t.same(later(), []);
  writeFileSync(file, '[{"prefix":"canary"}]');
  t.same(later(), []);
  t.match(source.fault(), /\[0\]\.namespace: .*; the former content stays in use$/);
  t.match(lines.at(-1), { level: "error", variable: "PATH_POLICY_FILE" });
  writeFileSync(file, JSON.stringify([rule]));
  t.same(later(), [rule]);
  t.equal(source.fault(), undefined);
});
