// SPDX-License-Identifier: Apache-2.0
// Tests CustomResourceDefinitions that the server rejects, and its messages.
import t from "tap";
import type { JsonObject } from "../../api/json.ts";
import { gadgetDefinition } from "./gadget-definition.ts";
import { runServer } from "./running-server.ts";

const server = await runServer(t);

t.test("definitions that are refused", async (t) => {
  const definition = (schema: JsonObject, more: JsonObject = {}): JsonObject => ({
    ...gadgetDefinition,
    metadata: { name: "others.example.net" },
    spec: {
      group: "example.net",
      scope: "Namespaced",
      names: { plural: "others", kind: "Other" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      ...more,
    },
  });
  const object = (properties: JsonObject, more: JsonObject = {}) => ({ type: "object", properties, ...more });
  const faulty: [string, JsonObject, RegExp][] = [
    [
      "a rule that does not parse",
      definition(object({ a: { type: "integer", "x-kubernetes-validations": [{ rule: "self >" }] } })),
      /properties\[a\].x-kubernetes-validations\[0\].rule: Invalid value: "self >": compilation failed/,
    ],
    [
      "a rule that names a field that is not there",
      definition(
        object({ a: { type: "integer" } }, { "x-kubernetes-validations": [{ rule: "self.b > 1" }] }),
      ),
      /compilation failed: .*b/,
    ],
    [
      "a rule that is not a bool",
      definition(object({ a: { type: "integer", "x-kubernetes-validations": [{ rule: "self + 1" }] } })),
      /must evaluate to a bool/,
    ],
    [
      "a node without a type",
      definition(object({ a: { description: "?" } })),
      /properties\[a\].type: Required value: must not be empty for specified object fields/,
    ],
    [
      "a root that is not an object",
      definition({ type: "string" }),
      /type: Invalid value: "string": must be object at the root/,
    ],
    [
      "both properties and additionalProperties",
      definition(
        object({ a: object({ b: { type: "string" } }, { additionalProperties: { type: "string" } }) }),
      ),
      /mutual exclusive/,
    ],
    [
      "a keyed list without keys",
      definition(
        object({ a: { type: "array", items: { type: "object" }, "x-kubernetes-list-type": "map" } }),
      ),
      /x-kubernetes-list-map-keys: Required value/,
    ],
    [
      "a pattern that is none",
      definition(object({ a: { type: "string", pattern: "(" } })),
      /must be a valid regular expression/,
    ],
    [
      "a default outside its own schema",
      definition(object({ a: { type: "integer", minimum: 2, default: 1 } })),
      /default in body should be greater than or equal to 2/,
    ],
    [
      "a name that is not plural.group",
      { ...definition(object({})), metadata: { name: "x.example.net" } },
      /must be spec.names.plural\+"."\+spec.group/,
    ],
    [
      "an unknown scope",
      definition(object({}), { scope: "Galaxy" }),
      /spec.scope: Unsupported value: "Galaxy"/,
    ],
  ];
  for (const [sentence, body, message] of faulty) {
    const answer = await server.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body);
    t.equal(answer.code, 422, `${sentence}: ${JSON.stringify(answer.body)}`);
    t.match(answer.body.message, message, sentence);
  }
  t.equal((await server.call("GET", "/apis/example.net/v1/namespaces/demo/others")).code, 404);
});
