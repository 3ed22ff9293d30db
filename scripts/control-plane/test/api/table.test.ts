// SPDX-License-Identifier: Apache-2.0
// Tests the parsers and formatters behind tables and lists: ages, JSONPath, selectors.
import t from "tap";
import type { Json } from "../../api/json.ts";
import { labelSelector } from "../../api/selectors.ts";
import { humanDuration } from "../../api/table/age.ts";
import { jsonPath } from "../../api/table/json-path.ts";

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const ages: [seconds: number, text: string][] = [
  [0, "0s"],
  [119, "119s"],
  [120, "2m"],
  [3 * minute + 20, "3m20s"],
  [10 * minute + 20, "10m"],
  [179 * minute, "179m"],
  [3 * hour, "3h"],
  [4 * hour + 5 * minute, "4h5m"],
  [9 * hour + 5 * minute, "9h"],
  [2 * day + 5 * hour, "2d5h"],
  [9 * day, "9d"],
  [730 * day, "2y"],
  [3 * 365 * day + 40 * day, "3y40d"],
  [-1, "0s"],
  [-5, "<invalid>"],
];
t.test("ages", async (t) => {
  for (const [seconds, text] of ages) t.equal(humanDuration(seconds * 1000), text, `${seconds} s`);
});

const status = {
  status: {
    conditions: [
      { type: "A", status: "False" },
      { type: "Ready", status: "True" },
    ],
    list: [1, 2, 3],
    "dotted.key": "d",
    ok: true,
  },
};
const pathRows: [path: string, found: Json[]][] = [
  [".status.conditions[?(@.type=='Ready')].status", ["True"]],
  ['.status.conditions[?(@.type=="Ready")].status', ["True"]],
  ['.status.conditions[?(@.type!="Ready")].type', ["A"]],
  [".status.list[0]", [1]],
  [".status.list[-1]", [3]],
  [".status.list[*]", [1, 2, 3]],
  [".status.conditions[*].type", ["A", "Ready"]],
  [".status.dotted\\.key", ["d"]],
  [".status['dotted.key']", ["d"]],
  [".status.missing.deeper", []],
  [".status.ok", [true]],
];
t.test("JSONPath", async (t) => {
  for (const [text, found] of pathRows) {
    const path = jsonPath(text);
    t.ok(path.ok, text);
    if (path.ok) t.same(path.evaluate(status), found, text);
  }
  for (const text of ["status", ".a[", ".a[?(x)]", "..a"]) t.equal(jsonPath(text).ok, false, text);
});

const labelled = { apiVersion: "v1", kind: "X", metadata: { labels: { a: "1", "x.io/b": "two" } } };
const selectorRows: [selector: string, matches: boolean][] = [
  ["", true],
  ["a=1", true],
  ["a==1,x.io/b=two", true],
  ["a!=1", false],
  ["c!=1", true],
  ["a", true],
  ["!a", false],
  ["!c", true],
  ["a in (1,2)", true],
  ["a in (2,3),a", false],
  ["a notin (2,3)", true],
  ["c notin (2)", true],
  ["c in (2)", false],
];
t.test("label selectors", async (t) => {
  for (const [selector, matches] of selectorRows) {
    t.equal(labelSelector(selector)(labelled), matches, selector);
  }
  for (const selector of ["a=b=c", "a in 1", "=x", "a in (", "!"]) {
    t.throws(() => labelSelector(selector), { code: 400 });
  }
});
