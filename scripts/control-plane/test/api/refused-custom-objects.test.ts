// SPDX-License-Identifier: Apache-2.0
// Tests custom objects that the server rejects, and its messages.
import t from "tap";
import type { JsonObject } from "../../api/json.ts";
import { gadget, gadgets } from "./gadget-definition.ts";
import { checkRefusals, type Refusal } from "./refusals.ts";
import { runServer } from "./running-server.ts";

const server = await runServer(t);
const spec = (more: JsonObject): JsonObject => gadget("bad", { colour: "red", ...more });
const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "bad" } };

const rows: Refusal[] = [
  [
    "a number below the minimum",
    gadgets,
    spec({ size: 0 }),
    422,
    'Gadget.example.org "bad" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1',
  ],
  [
    "a number above the maximum",
    gadgets,
    spec({ size: 11 }),
    422,
    /spec.size in body should be less than or equal to 10/,
  ],
  [
    "a string where a number belongs",
    gadgets,
    spec({ size: "big" }),
    422,
    /spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"/,
  ],
  [
    "a value outside the enum",
    gadgets,
    spec({ colour: "blue" }),
    422,
    /spec.colour: Unsupported value: "blue": supported values: "red", "green"/,
  ],
  ["a missing required field", gadgets, gadget("bad", {}), 422, /spec.colour: Required value/],
  [
    "a string that misses the pattern",
    gadgets,
    spec({ name: "ABC" }),
    422,
    /spec.name: Invalid value: "ABC": spec.name in body should match '\^\[a-z\]\+\$'/,
  ],
  [
    "a string that is too long",
    gadgets,
    spec({ name: "abcdefghij" }),
    422,
    /spec.name: Too long: may not be more than 8 bytes/,
  ],
  [
    "a string that is too short",
    gadgets,
    spec({ name: "a" }),
    422,
    /spec.name in body should be at least 2 chars long/,
  ],
  [
    "a malformed time",
    gadgets,
    spec({ when: "soon" }),
    422,
    /spec.when in body must be of type date-time: "soon"/,
  ],
  [
    "a number beyond its format",
    gadgets,
    spec({ count: 2 ** 40 }),
    422,
    /spec.count in body must be of type int32/,
  ],
  [
    "too many items",
    gadgets,
    spec({ tags: ["a", "b", "c", "d"] }),
    422,
    /spec.tags: Too many: 4: must have at most 3 items/,
  ],
  [
    "a set with a duplicate",
    gadgets,
    spec({ tags: ["a", "a"] }),
    422,
    /spec.tags\[1\]: Duplicate value: "a"/,
  ],
  [
    "a keyed list with a duplicate",
    gadgets,
    spec({ parts: [{ id: "a" }, { id: "a" }] }),
    422,
    /spec.parts\[1\]: Duplicate value: \{"id":"a"\}/,
  ],
  [
    "a null that is not allowed",
    gadgets,
    spec({ name: null }),
    422,
    /spec.name in body must be of type string: "null"/,
  ],
  [
    "neither integer nor string",
    gadgets,
    spec({ port: true }),
    422,
    /spec.port in body must be of type integer,string: "boolean"/,
  ],
  [
    "a rule with a computed message and a field path",
    gadgets,
    spec({ size: 6, colour: "green" }),
    422,
    'Gadget.example.org "bad" is invalid: spec.size: Invalid value: "object": size 6 needs red',
  ],
  [
    "two faults are both told",
    gadgets,
    spec({ size: 0, colour: "blue" }),
    422,
    /is invalid: \[.*supported values.*spec.size.*\]|is invalid: \[.*spec.size.*supported values.*\]/,
  ],
  [
    "a name that is not a subdomain",
    gadgets,
    gadget("Bad_Name"),
    422,
    /metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain/,
  ],
  [
    "no name at all",
    gadgets,
    gadget(""),
    422,
    /metadata.name: Required value: name or generateName is required/,
  ],
  [
    "a label value with a space",
    gadgets,
    gadget("bad", { colour: "red" }, { labels: { a: "b c" } }),
    422,
    /metadata.labels: Invalid value: "b c": a valid label must be/,
  ],
  [
    "labels of the wrong type",
    gadgets,
    gadget("bad", { colour: "red" }, { labels: { a: 1 } }),
    400,
    /metadata.labels/,
  ],
  [
    "two controllers",
    gadgets,
    gadget(
      "bad",
      { colour: "red" },
      {
        ownerReferences: ["u1", "u2"].map((uid) => ({
          apiVersion: "v1",
          kind: "X",
          name: uid,
          uid,
          controller: true,
        })),
      },
    ),
    422,
    /Only one reference can have Controller set to true/,
  ],
  ["another kind's body", gadgets, secret, 400, /does not match the expected API version/],
  [
    "another namespace in the body",
    gadgets,
    gadget("bad", { colour: "red" }, { namespace: "kube-system" }),
    400,
    /the namespace of the provided object does not match the namespace sent on the request/,
  ],
  [
    "a version on create",
    gadgets,
    gadget("bad", { colour: "red" }, { resourceVersion: "1" }),
    400,
    /resourceVersion should not be set on objects to be created/,
  ],
  [
    "an unknown field, strictly",
    `${gadgets}?fieldValidation=Strict`,
    spec({ sice: 1 }),
    400,
    'Gadget in version "v1" cannot be handled as a Gadget: strict decoding error: unknown field "spec.sice"',
  ],
  [
    "an unknown value of fieldValidation",
    `${gadgets}?fieldValidation=Maybe`,
    spec({}),
    400,
    /fieldValidation: Unsupported value: "Maybe"/,
  ],
];

t.test("refusals", async (t) => {
  await checkRefusals(t, server, rows);
  t.same((await server.read(gadgets)).items, [], "nothing was stored");
});
