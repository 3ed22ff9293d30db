// SPDX-License-Identifier: Apache-2.0
// Turns a schema into the types that its rules are checked against, and values into what CEL computes with.
import { type ASTNode, Environment } from "@marcbachmann/cel-js";
import { isObject, type Json, type JsonObject } from "../json.ts";
import type { Schema } from "../schema/schema.ts";

const reserved = new Set([
  "true",
  "false",
  "null",
  "in",
  "as",
  "break",
  "const",
  "continue",
  "else",
  "for",
  "function",
  "if",
  "import",
  "let",
  "loop",
  "package",
  "namespace",
  "return",
  "var",
  "void",
  "while",
]);

/** A property's name as rules write it, or undefined where CEL can't name it. */
const celName = (property: string): string | undefined => {
  if (reserved.has(property)) return `__${property}__`;
  if (!/^[A-Za-z_][A-Za-z0-9_./-]*$/.test(property)) return undefined;
  return property
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
};

/** CEL's value of a JSON value. */
export const celValue = (value: Json | undefined, schema: Schema): unknown => {
  if (value === null || value === undefined) return null;
  if (typeof value === "number") {
    return schema.type === "number" || !Number.isInteger(value) ? value : BigInt(value);
  }
  if (typeof value === "string") return celString(value, schema);
  if (Array.isArray(value)) return value.map((item) => celValue(item, schema.items ?? {}));
  return isObject(value) ? celFields(value, schema) : value;
};

const isTime = ({ format }: Schema): boolean => format === "date-time" || format === "date";

const celString = (text: string, schema: Schema): string | Date | Uint8Array => {
  if (isTime(schema)) return new Date(text);
  return schema.format === "byte" ? new Uint8Array(Buffer.from(text, "base64")) : text;
};

/** An object's fields by the names that rules know; those that neither the schema nor CEL can name are left out. */
const celFields = (object: JsonObject, schema: Schema): { [name: string]: unknown } => {
  const { additionalProperties, "x-kubernetes-preserve-unknown-fields": keepsUnknown } = schema;
  const rest =
    typeof additionalProperties === "object" ? additionalProperties : keepsUnknown ? {} : undefined;
  const fields: { [name: string]: unknown } = {};
  for (const [key, item] of Object.entries(object)) {
    const property = schema.properties?.[key];
    const below = property ?? rest;
    const name = property ? celName(key) : key;
    if (item !== undefined && name !== undefined && below) fields[name] = celValue(item, below);
  }
  return fields;
};

class TypeNames {
  count = 0;
  next(): string {
    this.count += 1;
    return `Object${this.count}`;
  }
}

/** What CEL calls the types that need no declaration. */
const PLAIN_TYPES: { [type: string]: string } = { integer: "int", number: "double", boolean: "bool" };

const isDynamic = (schema: Schema): boolean =>
  Boolean(
    schema["x-kubernetes-int-or-string"] || schema["x-kubernetes-preserve-unknown-fields"] || schema.nullable,
  );

/** The CEL type of a schema's values; structs are declared in `env` on the way. */
const declareType = (env: Environment, schema: Schema, names: TypeNames): string => {
  const { type = "" } = schema;
  if (isDynamic(schema)) return "dyn";
  if (type === "string") return stringType(schema);
  if (type === "array") return `list<${declareType(env, schema.items ?? {}, names)}>`;
  return type === "object" ? declareObject(env, schema, names) : (PLAIN_TYPES[type] ?? "dyn");
};

const stringType = (schema: Schema): string => {
  if (isTime(schema)) return "google.protobuf.Timestamp";
  return schema.format === "byte" ? "bytes" : "string";
};

const declareObject = (env: Environment, schema: Schema, names: TypeNames): string => {
  if (typeof schema.additionalProperties === "object") {
    return `map<string, ${declareType(env, schema.additionalProperties, names)}>`;
  }
  if (!schema.properties || Object.keys(schema.properties).length === 0) return "map";
  const fields: { [name: string]: string } = {};
  for (const [property, below] of Object.entries(schema.properties)) {
    const name = celName(property);
    if (name !== undefined) fields[name] = declareType(env, below, names);
  }
  const name = names.next();
  env.registerType(name, { fields });
  return name;
};

const rootFields: { [name: string]: Schema } = {
  apiVersion: { type: "string" },
  kind: { type: "string" },
  metadata: {
    type: "object",
    properties: { name: { type: "string" }, generateName: { type: "string" } },
  },
};

/** The schema that rules at the root see: with the object's type, name and generateName. */
export const rootSchema = (schema: Schema): Schema => ({
  ...schema,
  type: "object",
  properties: { ...schema.properties, ...rootFields },
});

/** An environment whose `self` and `oldSelf` have the schema's type. */
export const ruleEnvironment = (schema: Schema): Environment => {
  const env = new Environment({ homogeneousAggregateLiterals: false, enableOptionalTypes: true });
  const type = declareType(env, schema, new TypeNames());
  env.registerVariable("self", type);
  env.registerVariable("oldSelf", type);
  registerKubernetesFunctions(env);
  return env;
};

/** The part of Kubernetes' CEL libraries that the interpreter lacks. */
const registerKubernetesFunctions = (env: Environment): void => {
  env.registerFunction("string.replace(string, string): string", (text: string, from: string, to: string) =>
    text.replaceAll(from, () => to),
  );
  env.registerFunction("string.find(string): string", (text: string, pattern: string) => {
    return new RegExp(pattern, "u").exec(text)?.[0] ?? "";
  });
  env.registerFunction("string.findAll(string): list<string>", (text: string, pattern: string) =>
    [...text.matchAll(new RegExp(pattern, "gu"))].map((match) => match[0]),
  );
  env.registerFunction("isURL(string): bool", (text: string) => URL.canParse(text));
  env.registerFunction("list.isSorted(): bool", (list: unknown[]) =>
    list.every((item, index) => index === 0 || compare(list[index - 1], item) <= 0),
  );
};

const compare = (a: unknown, b: unknown): number => {
  if (typeof a === "bigint" && typeof b === "bigint") return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
};

/** True where an expression reads a variable. */
export const mentions = (node: ASTNode | unknown, variable: string): boolean => {
  if (Array.isArray(node)) return node.some((item) => mentions(item, variable));
  if (typeof node !== "object" || node === null) return false;
  if ("op" in node && node.op === "id" && "args" in node && node.args === variable) return true;
  return "args" in node && mentions(node.args, variable);
};
