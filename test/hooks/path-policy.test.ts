// SPDX-License-Identifier: Apache-2.0
// Tests who may read and write which path of the token, and how much.
import t from "tap";
import { mayRead, mayWrite, type PathPolicyRule, quotaOf } from "../../hooks/path-policy.ts";

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

const own = (namespace: string, write: boolean): PathPolicyRule => ({ namespace, write });
const at = (prefix: string, write: boolean): PathPolicyRule => ({ namespace: "prod", prefix, write });
const writeRows: [string, PathPolicyRule[], string, boolean][] = [
  ["a namespace writes below its own name", [], "secrets/prod/db", true],
  ["and nowhere else", [], "secrets/shared/db", false],
  [
    "a rule without write reads alone",
    [{ namespace: "prod", prefix: "secrets/shared" }],
    "secrets/shared/db",
    false,
  ],
  ["one with write writes", [at("secrets/shared", true)], "secrets/shared/db", true],
  [
    "write: false without a prefix takes its own from a namespace",
    [own("prod", false)],
    "secrets/prod/db",
    false,
  ],
  ["and from every namespace that it names", [own("p*", false)], "secrets/prod/db", false],
  ["and from no other", [own("dev", false)], "secrets/prod/db", true],
  ["write: false takes a prefix of its own", [at("secrets/prod/ca", false)], "secrets/prod/ca/key", false],
  ["and leaves the rest", [at("secrets/prod/ca", false)], "secrets/prod/db", true],
  ["write: true goes before write: false", [own("prod", true), own("*", false)], "secrets/prod/db", true],
  ["in either order", [own("*", false), own("prod", true)], "secrets/prod/db", true],
  ["and gives back a part", [own("*", false), at("secrets/prod/app", true)], "secrets/prod/app/db", true],
  ["no rule without a prefix gives another's", [own("*", true)], "secrets/dev/db", false],
  ["not even with dots", [own("*", true)], "secrets/prod/../dev/db", false],
];

for (const [name, policy, path, allowed] of writeRows) {
  t.test(name, async (t) => {
    t.equal(mayWrite(policy, "prod", path), allowed);
    if (path.startsWith("secrets/prod/") && !path.includes("..")) {
      t.ok(mayRead(policy, "prod", path), "it reads");
    }
  });
}

t.test("a rule without a prefix adds nothing that may be read", async (t) => {
  t.notOk(mayRead([own("*", true), { namespace: "*", quota: { objects: 1 } }], "prod", "secrets/dev/db"));
});

t.test("the first quota that is for the namespace counts", async (t) => {
  const policy: PathPolicyRule[] = [
    own("*", true),
    { namespace: "prod", quota: { objects: 50 } },
    { namespace: "*", quota: { objects: 5, bytes: 1000 } },
  ];
  t.same(quotaOf(policy, "prod"), { prefix: "secrets/prod/", objects: 50 });
  t.same(quotaOf(policy, "dev"), { prefix: "secrets/dev/", objects: 5, bytes: 1000 });
  t.same(quotaOf([], "dev"), { prefix: "secrets/dev/" });
});
