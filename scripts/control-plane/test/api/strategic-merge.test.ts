// SPDX-License-Identifier: Apache-2.0
// Tests strategic merge patches as kubectl's apply, edit and set send them.
import t from "tap";
import type { Json, JsonObject } from "../../api/json.ts";
import { strategicMerge } from "../../api/patch/strategic-merge.ts";
import { builtInSchema } from "../../api/types/built-in-schemas.ts";

const schema = builtInSchema("Deployment");
const pod = (spec: JsonObject): JsonObject => ({ spec: { template: { spec } } });

const rows: [sentence: string, target: JsonObject, patch: JsonObject, result: Json][] = [
  [
    "a container is merged by name",
    pod({ containers: [{ name: "a", image: "1", tty: true }] }),
    pod({ containers: [{ name: "a", image: "2" }] }),
    pod({ containers: [{ name: "a", image: "2", tty: true }] }),
  ],
  [
    "a new container is added",
    pod({ containers: [{ name: "a" }] }),
    pod({ containers: [{ name: "b" }] }),
    pod({ containers: [{ name: "a" }, { name: "b" }] }),
  ],
  [
    "$patch: delete removes one",
    pod({ containers: [{ name: "a" }, { name: "b" }] }),
    pod({ containers: [{ name: "a", $patch: "delete" }] }),
    pod({ containers: [{ name: "b" }] }),
  ],
  [
    "$patch: replace replaces the list",
    pod({ containers: [{ name: "a" }] }),
    pod({ containers: [{ $patch: "replace" }, { name: "b" }] }),
    pod({ containers: [{ name: "b" }] }),
  ],
  [
    "$patch: replace replaces an object",
    { spec: { strategy: { type: "RollingUpdate", rollingUpdate: {} } } },
    { spec: { strategy: { $patch: "replace", type: "Recreate" } } },
    { spec: { strategy: { type: "Recreate" } } },
  ],
  [
    "$retainKeys drops the others",
    { spec: { strategy: { type: "RollingUpdate", rollingUpdate: {} } } },
    { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } },
    { spec: { strategy: { type: "Recreate" } } },
  ],
  [
    "$setElementOrder orders, others stay where they are",
    pod({ containers: [{ name: "a" }, { name: "x" }, { name: "b" }] }),
    pod({ "$setElementOrder/containers": [{ name: "b" }, { name: "a" }], containers: [] }),
    pod({ containers: [{ name: "b" }, { name: "x" }, { name: "a" }] }),
  ],
  [
    "$deleteFromPrimitiveList removes values",
    { metadata: { finalizers: ["a", "b"] } },
    { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"] } },
    { metadata: { finalizers: ["b"] } },
  ],
  [
    "a set of values is united",
    { metadata: { finalizers: ["a"] } },
    { metadata: { finalizers: ["a", "b"] } },
    { metadata: { finalizers: ["a", "b"] } },
  ],
  [
    "an atomic list is replaced",
    pod({ tolerations: [{ key: "a" }] }),
    pod({ tolerations: [{ key: "b" }] }),
    pod({ tolerations: [{ key: "b" }] }),
  ],
  [
    "owners are merged by uid",
    { metadata: { ownerReferences: [{ uid: "1", name: "a" }, { uid: "2" }] } },
    { metadata: { ownerReferences: [{ uid: "1", $patch: "delete" }] } },
    { metadata: { ownerReferences: [{ uid: "2" }] } },
  ],
  [
    "null removes a key",
    { metadata: { labels: { a: "1", b: "2" } } },
    { metadata: { labels: { a: null } } },
    { metadata: { labels: { b: "2" } } },
  ],
  [
    "environment variables are merged by name",
    pod({ containers: [{ name: "a", env: [{ name: "X", value: "1" }] }] }),
    pod({ containers: [{ name: "a", env: [{ name: "Y", value: "2" }] }] }),
    pod({
      containers: [
        {
          name: "a",
          env: [
            { name: "X", value: "1" },
            { name: "Y", value: "2" },
          ],
        },
      ],
    }),
  ],
];

for (const [sentence, target, patch, result] of rows) {
  t.test(sentence, async (t) => {
    const before = structuredClone(target);
    t.same(strategicMerge(target, patch, schema), result);
    t.same(target, before, "the target itself is left alone");
  });
}
