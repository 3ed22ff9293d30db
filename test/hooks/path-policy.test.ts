// SPDX-License-Identifier: Apache-2.0
// Who may read which path of the token.
import t from "tap";
import { mayRead, type PathPolicyRule } from "../../hooks/path-policy.ts";

const rows: [string, PathPolicyRule[], string, string, boolean][] = [
  ["a namespace reads below its own name", [], "prod", "secrets/prod/db", true],
  ["and deeper", [], "prod", "secrets/prod/db/main", true],
  ["but not its own name itself", [], "prod", "secrets/prod", false],
  ["not another namespace", [], "prod", "secrets/dev/db", false],
  ["not one whose name begins the same", [], "prod", "secrets/prod-eu/db", false],
  ["not out of its own by dots", [], "prod", "secrets/prod/../dev/db", false],
  ["not with an empty segment", [], "prod", "secrets/prod//db", false],
  ["not with a slash at the end", [], "prod", "secrets/prod/", false],
  ["not outside secrets/", [], "prod", "prod/db", false],
  ["a rule adds its prefix itself", [{ namespace: "prod", prefix: "shared" }], "prod", "shared", true],
  ["and what is below", [{ namespace: "prod", prefix: "shared/" }], "prod", "shared/db", true],
  ["but not a longer name", [{ namespace: "prod", prefix: "shared" }], "prod", "shared-x/db", false],
  ["and not for another namespace", [{ namespace: "prod", prefix: "shared" }], "dev", "shared/db", false],
  [
    "a * matches within a namespace's name",
    [{ namespace: "team-*", prefix: "shared" }],
    "team-a",
    "shared/x",
    true,
  ],
  ["a * matches within a segment", [{ namespace: "*", prefix: "a*c/x" }], "dev", "abbc/x", true],
  ["a * does not cross a slash", [{ namespace: "*", prefix: "a*c" }], "dev", "a/c", false],
  ["a * may be empty", [{ namespace: "*", prefix: "ac*" }], "dev", "ac", true],
  ["parts around a * can't overlap", [{ namespace: "*", prefix: "ab*ba" }], "dev", "aba", false],
  ["several *s match in order", [{ namespace: "*", prefix: "a*b*c" }], "dev", "a1b2c", true],
  ["a ** spans segments", [{ namespace: "*", prefix: "a/**/z" }], "dev", "a/b/c/z", true],
  ["a ** may span none", [{ namespace: "*", prefix: "a/**/z" }], "dev", "a/z/below", true],
  [
    "a ** takes more where what follows does not fit at first",
    [{ namespace: "*", prefix: "**/a/b/**/z" }],
    "dev",
    "a/c/a/b/z",
    true,
  ],
  [
    "many of them are no more work",
    [{ namespace: "*", prefix: `${"**/a/".repeat(20)}z` }],
    "dev",
    Array(120).fill("a").join("/"),
    false,
  ],
  ["a ** still needs what follows it", [{ namespace: "*", prefix: "a/**/z" }], "dev", "a/b/c", false],
];

for (const [name, policy, namespace, path, allowed] of rows) {
  t.test(name, async (t) => t.equal(mayRead(policy, namespace, path), allowed, `${namespace} ${path}`));
}
