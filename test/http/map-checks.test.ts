// SPDX-License-Identifier: Apache-2.0
// Tests that checks of maps with short cuts take and refuse what the schemas themselves do, and name the same fields.
import { type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import fc from "fast-check";
import t from "tap";
import { HSMSecretSyncRequest } from "../../hooks/hsmsecret/index.ts";
import { StringMap } from "../../hooks/kubernetes.ts";
import { compileSchema } from "../../server/http/validation.ts";
import { INHERITED_NAMES, inheritedNames } from "../inherited-names.ts";
import { recordedBody } from "../webhook/recorded-request.ts";

/** The schema as TypeBox's own interpreter has it, with keys that a dot of a pattern does not match. */
const EVERY_TEXT = Type.Unsafe<Record<string, string>>({
  ...StringMap,
  patternProperties: { "^[^]*$": Type.String() },
});

const odd = fc.oneof(
  fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.constant(null))),
  fc.dictionary(fc.constantFrom("a", "b\nc", ...INHERITED_NAMES), fc.oneof(fc.string(), fc.constant({}))),
  fc.array(fc.string()),
  fc.constantFrom(null, undefined, "text", 7, true, new Date(), new Uint8Array(2), new Map([["a", 1]])),
);

t.test("a map of texts is checked as by its schema, whatever it is", async () => {
  const check = compileSchema(StringMap);
  fc.assert(fc.property(odd, (value) => check.Check(value) === Value.Check(EVERY_TEXT, value)));
});

t.test("so is a map of anything, inside of an object and optional", async () => {
  const schema: TSchema = Type.Object({
    some: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    texts: Type.Optional(StringMap),
  });
  const whole = Type.Object({
    some: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    texts: Type.Optional(EVERY_TEXT),
  });
  const check = compileSchema(schema);
  const given = fc.record({ some: odd, texts: odd }, { requiredKeys: [] });
  fc.assert(fc.property(given, (value) => check.Check(value) === Value.Check(whole, value)));
});

t.test("names that objects inherit are keys like others", async (t) => {
  const check = compileSchema(StringMap);
  t.ok(check.Check(inheritedNames(() => "text")));
  t.notOk(check.Check(inheritedNames(() => 7)));
});

t.test("what a record bounds besides is still bounded", async (t) => {
  const few = compileSchema(Type.Record(Type.String(), Type.String(), { maxProperties: 1 }));
  t.ok(few.Check({ a: "1" }));
  t.notOk(few.Check({ a: "1", b: "2" }));
  const short = compileSchema(Type.Record(Type.String(), Type.String({ maxLength: 1 })));
  t.notOk(short.Check({ a: "12" }));
  const named = compileSchema(Type.Record(Type.String({ pattern: "^a$" }), Type.String()));
  t.ok(named.Check({ b: 7 }), "as TypeBox has it: what the pattern does not match may be anything");
});

t.test("a fault is named by the field, with its key", async (t) => {
  const check = compileSchema(HSMSecretSyncRequest);
  const body = recordedBody("hsmsecret-sync-owned-child-ssa");
  t.ok(check.Check(body));
  body.children["Secret.v1"]["demo/app"].data["line\nbreak"] = 7;
  t.notOk(check.Check(body));
  t.match([...check.Errors(body)].map(({ path }) => path).join(), "/data/line\nbreak");
});
