// SPDX-License-Identifier: Apache-2.0
// Tests field ownership under server-side apply, for any two managers and any fields.
import fc from "fast-check";
import t from "tap";
import { type Json, type JsonObject, listOrEmpty, objectOrEmpty, valueAt } from "../../api/json.ts";
import { deployment, deployments, gadget, gadgets } from "./gadget-definition.ts";
import { runServer } from "./running-server.ts";

const server = await runServer(t);
const apply = (manager: string, path: string, body: Json, force = false) =>
  server.call(
    "PATCH",
    `${path}?fieldManager=${manager}&force=${force}`,
    body,
    "application/apply-patch+yaml",
  );
const ownedBy = (object: JsonObject, manager: string): JsonObject =>
  objectOrEmpty(
    objectOrEmpty(
      listOrEmpty(valueAt(object, ["metadata", "managedFields"])).find(
        (entry) => valueAt(entry, ["manager"]) === manager && valueAt(entry, ["operation"]) === "Apply",
      ),
    ).fieldsV1,
  );
const labelsOwned = (object: JsonObject, manager: string) =>
  Object.keys(objectOrEmpty(valueAt(ownedBy(object, manager), ["f:spec", "f:labels"])))
    .filter((key) => key.startsWith("f:"))
    .map((key) => key.slice(2))
    .sort();

const someLabels = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom("1", "2"), {
  noNullPrototype: true,
});

t.test("any two field sets by two managers", async (t) => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(someLabels, someLabels, someLabels, async (first, second, third) => {
      const name = `owned${run++}`;
      const path = `${gadgets}/${name}`;
      const body = (labels: JsonObject) => gadget(name, { colour: "red", labels });
      const labelsOf = (object: JsonObject) => objectOrEmpty(valueAt(object, ["spec", "labels"]));

      const one = await apply("one", path, body(first));
      t.equal(one.code, 201);
      t.same(labelsOwned(one.body, "one"), Object.keys(first).sort(), "an applier owns what it applied");

      const contested = Object.keys(second).filter(
        (key) => first[key] !== undefined && first[key] !== second[key],
      );
      const two = await apply("two", path, body(second));
      t.equal(two.code, contested.length > 0 ? 409 : 200, "a conflict exactly where values differ");
      if (two.code === 409) {
        const fields = listOrEmpty(valueAt(two.body, ["details", "causes"])).map((cause) =>
          valueAt(cause, ["field"]),
        );
        t.same(fields.sort(), contested.map((key) => `.spec.labels.${key}`).sort());
        t.same(labelsOf(await server.read(path)), first, "a conflict changes nothing");
      }
      const forced = await apply("two", path, body(second), true);
      t.same(labelsOf(forced.body), { ...first, ...second }, "the forced apply wins");
      t.same(
        labelsOwned(forced.body, "one"),
        Object.keys(first)
          .filter((key) => !contested.includes(key))
          .sort(),
        "force takes exactly the contested fields",
      );
      t.same(labelsOwned(forced.body, "two"), Object.keys(second).sort());

      const repeated = await apply("two", path, body(second));
      t.same(repeated.body, forced.body, "the same apply again changes nothing, not even the version");

      const dropped = await apply("two", path, body(third), true);
      const stillOne = labelsOwned(dropped.body, "one");
      const expected: JsonObject = {};
      for (const key of stillOne) expected[key] = { ...first, ...second }[key];
      t.same(
        labelsOf(dropped.body),
        { ...expected, ...third },
        "a field goes with its only applier, and only then",
      );
    }),
    { numRuns: 60, seed: 20261122 },
  );
});

t.test("a container is owned by name, its other fields by others", async (t) => {
  const path = `${deployments}/d`;
  await apply("maker", path, deployment("d", { env: [{ name: "A", value: "1" }] }));
  const scaler = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "d" },
    spec: { replicas: 4 },
  };
  const scaled = await apply("scaler", path, scaler);
  t.match(scaled.body, { spec: { replicas: 4 }, metadata: { generation: 2 } });
  const adder = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "d" },
    spec: { template: { spec: { containers: [{ name: "x", env: [{ name: "B", value: "2" }] }] } } },
  };
  const both = await apply("adder", path, adder);
  const env = (object: JsonObject) =>
    valueAt(listOrEmpty(valueAt(object, ["spec", "template", "spec", "containers"]))[0], ["env"]);
  t.same(env(both.body), [
    { name: "A", value: "1" },
    { name: "B", value: "2" },
  ]);
  const without = await apply("maker", path, deployment("d"));
  t.same(env(without.body), [{ name: "B", value: "2" }], "only the maker's variable is gone");
  t.match(valueAt(without.body, ["spec", "template", "spec", "containers"]), [
    { image: "x", imagePullPolicy: "Always" },
  ]);
  const released = await apply("scaler", path, { ...scaler, spec: {} });
  t.match(
    released.body,
    { spec: { replicas: 1 } },
    "a count that nobody applies any more is the default again",
  );
});

t.test("an update takes ownership; the next apply conflicts with it", async (t) => {
  await apply("applier", `${gadgets}/taken`, gadget("taken", { colour: "red", size: 2 }));
  await server.call("PATCH", `${gadgets}/taken`, { spec: { size: 4 } }, "application/merge-patch+json");
  const conflict = await apply("applier", `${gadgets}/taken`, gadget("taken", { colour: "red", size: 2 }));
  t.match(conflict.body, {
    code: 409,
    reason: "Conflict",
    message: 'Apply failed with 1 conflict: conflict with "tester" using example.org/v1: .spec.size',
    details: {
      causes: [
        {
          reason: "FieldManagerConflict",
          message: 'conflict with "tester" using example.org/v1',
          field: ".spec.size",
        },
      ],
    },
  });
});

t.test("finalizers are a set and owners are keyed by uid", async (t) => {
  const meta = (metadata: JsonObject) => gadget("shared", { colour: "red" }, metadata);
  const owner = (uid: string) => ({ apiVersion: "nowhere.example/v1", kind: "Thing", name: uid, uid });
  await apply(
    "one",
    `${gadgets}/shared`,
    meta({ finalizers: ["example.org/a"], ownerReferences: [owner("u1")] }),
  );
  const both = await apply(
    "two",
    `${gadgets}/shared`,
    meta({ finalizers: ["example.org/b"], ownerReferences: [owner("u2")] }),
  );
  t.match(both.body, {
    metadata: {
      finalizers: ["example.org/a", "example.org/b"],
      ownerReferences: [{ uid: "u1" }, { uid: "u2" }],
    },
  });
  t.match(ownedBy(both.body, "two"), {
    "f:metadata": {
      "f:finalizers": { 'v:"example.org/b"': {} },
      "f:ownerReferences": { 'k:{"uid":"u2"}': {} },
    },
  });
  const one = await apply("one", `${gadgets}/shared`, meta({}));
  t.match(valueAt(one.body, ["metadata", "finalizers"]), ["example.org/b"]);
});

t.test("a status is owned apart, and managedFields can be reset", async (t) => {
  const path = `${gadgets}/state`;
  await apply("applier", path, gadget("state"));
  const status = {
    ...gadget("state"),
    status: { count: 2, conditions: [{ type: "Ready", status: "True" }] },
  };
  const written = await server.call("PUT", `${path}/status`, status);
  t.match(valueAt(written.body, ["metadata", "managedFields"]), [
    { manager: "applier", operation: "Apply" },
    {
      manager: "tester",
      operation: "Update",
      subresource: "status",
      fieldsV1: {
        "f:status": {
          ".": {},
          "f:conditions": { ".": {}, 'k:{"type":"Ready"}': { ".": {}, "f:status": {}, "f:type": {} } },
          "f:count": {},
        },
      },
    },
  ]);
  t.match(written.body, { metadata: { generation: 1 } }, "a status is no new generation");
  const kept = await apply("applier", path, {
    ...gadget("state", { colour: "green" }),
    status: { count: 9 },
  });
  t.match(
    kept.body,
    { status: { count: 2 }, metadata: { generation: 2 } },
    "the main path leaves the status alone",
  );
  const reset = { metadata: { managedFields: [{}] } };
  const cleared = await server.call("PATCH", path, reset, "application/merge-patch+json");
  t.equal(valueAt(cleared.body, ["metadata", "managedFields"]), undefined);
});

t.test("an apply that is no apply is refused", async (t) => {
  const rows: [string, string, Json, number, RegExp][] = [
    ["without a manager", `${gadgets}/x`, gadget("x"), 422, /fieldManager: Required value/],
    [
      "of an unknown field",
      `${gadgets}/x?fieldManager=m`,
      gadget("x", { colour: "red", sice: 1 }),
      500,
      /failed to create typed patch object \(demo\/x; example.org\/v1, Kind=Gadget\): .spec.sice: field not declared in schema/,
    ],
    [
      "with managedFields",
      `${gadgets}/x?fieldManager=m`,
      gadget("x", { colour: "red" }, { managedFields: [{ manager: "m" }] }),
      400,
      /metadata.managedFields must be nil/,
    ],
  ];
  for (const [sentence, path, body, code, message] of rows) {
    const answer = await server.call("PATCH", path, body, "application/apply-patch+yaml");
    t.equal(answer.code, code, sentence);
    t.match(answer.body.message, message, sentence);
  }
});
