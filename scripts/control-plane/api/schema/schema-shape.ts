// SPDX-License-Identifier: Apache-2.0
// The shape of a schema inside a CustomResourceDefinition, checked before anything reads it.
import { Type } from "@sinclair/typebox";
import type { Schema } from "./schema.ts";

const Text = Type.Optional(Type.String());
const Count = Type.Optional(Type.Integer());
const Real = Type.Optional(Type.Number());
const Flag = Type.Optional(Type.Boolean());

const Rule = Type.Object({
  rule: Type.String({ minLength: 1 }),
  message: Text,
  messageExpression: Text,
  reason: Text,
  fieldPath: Text,
  optionalOldSelf: Flag,
});

/** JSONSchemaProps of apiextensions.k8s.io/v1, as far as this server reads it. */
export const SchemaShape = Type.Unsafe<Schema>(
  Type.Recursive((Node) =>
    Type.Object({
      type: Text,
      description: Text,
      format: Text,
      nullable: Flag,
      properties: Type.Optional(Type.Record(Type.String(), Node)),
      items: Type.Optional(Node),
      additionalProperties: Type.Optional(Type.Union([Node, Type.Boolean()])),
      required: Type.Optional(Type.Array(Type.String())),
      enum: Type.Optional(Type.Array(Type.Unknown())),
      pattern: Text,
      minimum: Real,
      maximum: Real,
      exclusiveMinimum: Flag,
      exclusiveMaximum: Flag,
      multipleOf: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
      minLength: Count,
      maxLength: Count,
      minItems: Count,
      maxItems: Count,
      uniqueItems: Flag,
      minProperties: Count,
      maxProperties: Count,
      allOf: Type.Optional(Type.Array(Node)),
      anyOf: Type.Optional(Type.Array(Node)),
      oneOf: Type.Optional(Type.Array(Node)),
      not: Type.Optional(Node),
      "x-kubernetes-preserve-unknown-fields": Flag,
      "x-kubernetes-int-or-string": Flag,
      "x-kubernetes-embedded-resource": Flag,
      "x-kubernetes-list-type": Text,
      "x-kubernetes-list-map-keys": Type.Optional(Type.Array(Type.String())),
      "x-kubernetes-map-type": Text,
      "x-kubernetes-validations": Type.Optional(Type.Array(Rule)),
    }),
  ),
);
