// SPDX-License-Identifier: Apache-2.0
// Tests the three-way merge of dynamic apply.
import t from "tap";
import type { JsonObject } from "../../api/json.ts";
import { merged } from "../../engine/three-way-merge.ts";

type Case = { what: string; observed: JsonObject; last: JsonObject; desired: JsonObject; result: JsonObject };
const cases: Case[] = [
  {
    what: "a field that nobody applied stays",
    observed: { a: 1, theirs: 2 },
    last: { a: 1 },
    desired: { a: 1 },
    result: { a: 1, theirs: 2 },
  },
  {
    what: "a field that was applied and is no longer desired goes",
    observed: { a: 1, b: { c: 2, theirs: 3 } },
    last: { a: 1, b: { c: 2 } },
    desired: { b: {} },
    result: { b: { theirs: 3 } },
  },
  {
    what: "a changed field is put back",
    observed: { a: { b: "edited" } },
    last: { a: { b: "old" } },
    desired: { a: { b: "old" } },
    result: { a: { b: "old" } },
  },
  {
    what: "a list of scalars is replaced",
    observed: { list: [1, 2] },
    last: {},
    desired: { list: [3] },
    result: { list: [3] },
  },
  {
    what: "a list whose items have names is merged by name, and theirs stay",
    observed: { containers: [{ name: "sidecar" }, { name: "main", image: "old", theirs: true }] },
    last: { containers: [{ name: "main", image: "old" }, { name: "gone" }] },
    desired: { containers: [{ name: "main", image: "new" }, { name: "more" }] },
    result: {
      containers: [{ name: "sidecar" }, { name: "main", image: "new", theirs: true }, { name: "more" }],
    },
  },
  {
    what: "an item that was applied and is no longer desired goes",
    observed: { env: [{ name: "a" }, { name: "b" }] },
    last: { env: [{ name: "a" }, { name: "b" }] },
    desired: { env: [{ name: "b" }] },
    result: { env: [{ name: "b" }] },
  },
  {
    what: "ports keep the order that they were observed in, although their keys are numbers",
    observed: { ports: [{ containerPort: 8443 }, { containerPort: 80 }] },
    last: {},
    desired: { ports: [{ containerPort: 80, name: "http" }, { containerPort: 22 }] },
    result: { ports: [{ containerPort: 8443 }, { containerPort: 80, name: "http" }, { containerPort: 22 }] },
  },
  {
    what: "items without a key in common are replaced as a whole",
    observed: { rules: [{ host: "a" }] },
    last: {},
    desired: { rules: [{ name: "b" }] },
    result: { rules: [{ name: "b" }] },
  },
];

for (const { what, observed, last, desired, result } of cases) {
  t.test(what, async (t) => {
    const before = structuredClone(observed);
    t.strictSame(merged(observed, last, desired), result);
    t.strictSame(observed, before, "the observed object itself is not touched");
  });
}
