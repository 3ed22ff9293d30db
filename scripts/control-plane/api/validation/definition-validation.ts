// SPDX-License-Identifier: Apache-2.0
// Faults of a CustomResourceDefinition: names, versions, structural schemas, rules that do not compile.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Cause } from "../api-status.ts";
import { toJson } from "../json.ts";
import type { KubeObject } from "../kube-object.ts";
import type { Schema } from "../schema/schema.ts";
import { SchemaShape } from "../schema/schema-shape.ts";
import { jsonPath } from "../table/json-path.ts";
import { forbiddenValue, invalidValue, requiredValue, unsupportedValue } from "./faults.ts";
import { rootSchema } from "./rule-environment.ts";
import { compileRules } from "./rule-validation.ts";
import { schemaFaults } from "./schema-validation.ts";

const DefinitionShape = Type.Object({
  group: Type.String(),
  scope: Type.String(),
  names: Type.Object({ plural: Type.String(), kind: Type.String() }),
  versions: Type.Array(
    Type.Object({
      name: Type.String(),
      storage: Type.Boolean(),
      schema: Type.Optional(Type.Object({ openAPIV3Schema: Type.Optional(SchemaShape) })),
      additionalPrinterColumns: Type.Optional(Type.Array(Type.Object({ jsonPath: Type.String() }))),
    }),
  ),
});

type Definition = Static<typeof DefinitionShape>;
type Version = Definition["versions"][number];

/** The faults of a definition beyond the types of its fields. */
export const definitionFaults = (object: KubeObject, old: KubeObject | undefined): Cause[] => {
  const { spec } = object;
  if (!Value.Check(DefinitionShape, spec)) {
    const fault = [...Value.Errors(DefinitionShape, spec)].at(0);
    return [
      invalidValue(`spec${(fault?.path ?? "").replaceAll("/", ".")}`, "", fault?.message ?? "malformed"),
    ];
  }
  return [
    ...namingFaults(object.metadata.name ?? "", spec),
    ...storageFaults(spec.versions),
    ...spec.versions.flatMap((version, index) => versionFaults(version, `spec.versions[${index}]`)),
    ...immutabilityFaults(spec, old),
  ];
};

const namingFaults = (name: string, { names, group, scope }: Definition): Cause[] => {
  const faults: Cause[] = [];
  if (name !== `${names.plural}.${group}`) {
    faults.push(invalidValue("metadata.name", name, 'must be spec.names.plural+"."+spec.group'));
  }
  if (scope !== "Namespaced" && scope !== "Cluster") {
    faults.push(unsupportedValue("spec.scope", scope, ["Cluster", "Namespaced"]));
  }
  return faults;
};

const storageFaults = (versions: Version[]): Cause[] => {
  if (versions.filter(({ storage }) => storage).length === 1) return [];
  const names = toJson(versions.map(({ name }) => name));
  return [invalidValue("spec.versions", names, "must have exactly one version marked as storage version")];
};

const versionFaults = (version: Version, path: string): Cause[] => {
  const at = `${path}.schema.openAPIV3Schema`;
  const schema = version.schema?.openAPIV3Schema;
  const columns = (version.additionalPrinterColumns ?? []).flatMap((column, index) => {
    const parsed = jsonPath(column.jsonPath);
    if (parsed.ok) return [];
    return [invalidValue(`${path}.additionalPrinterColumns[${index}].jsonPath`, column.jsonPath, parsed.why)];
  });
  return [
    ...(schema ? structuralFaults(schema, at) : [requiredValue(at, "schemas are required")]),
    ...columns,
  ];
};

const immutabilityFaults = (spec: Definition, old: KubeObject | undefined): Cause[] => {
  const before = old?.spec;
  if (!Value.Check(DefinitionShape, before)) return [];
  return (["scope", "group"] as const)
    .filter((field) => before[field] !== spec[field])
    .map((field) => invalidValue(`spec.${field}`, spec[field], "field is immutable"));
};

/** The faults of one version's schema. */
const structuralFaults = (schema: Schema, path: string): Cause[] => {
  const faults: Cause[] = [];
  if (schema.type !== "object") {
    faults.push(
      schema.type === undefined
        ? requiredValue(`${path}.type`, "must not be empty at the root")
        : invalidValue(`${path}.type`, schema.type, "must be object at the root"),
    );
  }
  return [...faults, ...nodeFaults(schema, path, true)];
};

const types = ["array", "boolean", "integer", "number", "object", "string"];

const nodeFaults = (schema: Schema, path: string, isRoot: boolean): Cause[] => {
  const faults = [...typeFaults(schema, path), ...(isRoot ? rootMetadataFaults(schema, path) : [])];
  faults.push(...listFaults(schema, path), ...defaultFaults(schema, path), ...patternFaults(schema, path));
  faults.push(...ruleFaults(schema, path, isRoot), ...combinatorFaults(schema, path));
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (isRoot && name === "metadata") continue;
    faults.push(...nodeFaults(property, `${path}.properties[${name}]`, false));
  }
  if (schema.items) faults.push(...nodeFaults(schema.items, `${path}.items`, false));
  if (typeof schema.additionalProperties === "object") {
    faults.push(...nodeFaults(schema.additionalProperties, `${path}.additionalProperties`, false));
  }
  return faults;
};

/** The faults of what a node says about the type of its values. */
const typeFaults = (schema: Schema, path: string): Cause[] => {
  const faults: Cause[] = [];
  const free = schema["x-kubernetes-int-or-string"] || schema["x-kubernetes-preserve-unknown-fields"];
  if (schema.type === undefined) {
    if (!free) faults.push(requiredValue(`${path}.type`, "must not be empty for specified object fields"));
  } else if (!types.includes(schema.type)) {
    faults.push(unsupportedValue(`${path}.type`, schema.type, types));
  }
  if (schema.properties && schema.additionalProperties) {
    faults.push(
      forbiddenValue(
        `${path}.additionalProperties`,
        "additionalProperties and properties are mutual exclusive",
      ),
    );
  }
  if (schema.type === "array" && !schema.items) {
    faults.push(requiredValue(`${path}.items`, "must be specified"));
  }
  return faults;
};

const rootMetadataFaults = (schema: Schema, path: string): Cause[] =>
  Object.keys(schema.properties?.metadata?.properties ?? {})
    .filter((name) => name !== "name" && name !== "generateName")
    .map((name) =>
      forbiddenValue(
        `${path}.properties[metadata].properties[${name}]`,
        "must not specify anything other than name and generateName, but metadata is implicitly specified",
      ),
    );

const listFaults = (schema: Schema, path: string): Cause[] => {
  const listType = schema["x-kubernetes-list-type"];
  if (listType === undefined) return [];
  const field = `${path}.x-kubernetes-list-type`;
  if (!["atomic", "set", "map"].includes(listType)) {
    return [unsupportedValue(field, listType, ["atomic", "set", "map"])];
  }
  const keysField = `${path}.x-kubernetes-list-map-keys`;
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  if (listType !== "map") return [];
  if (keys.length === 0) {
    return [requiredValue(keysField, "must not be empty if x-kubernetes-list-type is map")];
  }
  const faults: Cause[] = [];
  for (const key of keys) {
    const property = schema.items?.properties?.[key];
    if (!property) {
      faults.push(invalidValue(keysField, key, "entries must all be names of item properties"));
    } else if (!schema.items?.required?.includes(key) && property.default === undefined) {
      faults.push(
        requiredValue(
          `${path}.items.properties[${key}].default`,
          "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ),
      );
    }
  }
  return faults;
};

const defaultFaults = (schema: Schema, path: string): Cause[] => {
  if (schema.default === undefined) return [];
  return schemaFaults(schema.default, { ...schema, required: [] }, `${path}.default`);
};

const patternFaults = (schema: Schema, path: string): Cause[] => {
  if (schema.pattern === undefined) return [];
  try {
    new RegExp(schema.pattern, "u");
    return [];
  } catch (error) {
    const why = error instanceof Error ? error.message : "not a regular expression";
    return [
      invalidValue(
        `${path}.pattern`,
        schema.pattern,
        `must be a valid regular expression, but isn't: ${why}`,
      ),
    ];
  }
};

const combinatorFaults = (schema: Schema, path: string): Cause[] => {
  const parts: [string, Schema][] = [
    ...(schema.allOf ?? []).map((part, index): [string, Schema] => [`allOf[${index}]`, part]),
    ...(schema.anyOf ?? []).map((part, index): [string, Schema] => [`anyOf[${index}]`, part]),
    ...(schema.oneOf ?? []).map((part, index): [string, Schema] => [`oneOf[${index}]`, part]),
    ...(schema.not ? [["not", schema.not] satisfies [string, Schema]] : []),
  ];
  return parts.flatMap(([name, part]) => partFaults(part, schema, path, name));
};

/** The faults of `part`, which stands below `schema` as its `name`. */
const partFaults = (part: Schema, schema: Schema, path: string, name: string): Cause[] => {
  const at = `${path}.${name}`;
  const faults: Cause[] = [];
  if (part.type !== undefined && !schema["x-kubernetes-int-or-string"]) {
    faults.push(forbiddenValue(`${at}.type`, "must be empty to be structural"));
  }
  if (part.default !== undefined) {
    faults.push(forbiddenValue(`${at}.default`, "must be undefined to be structural"));
  }
  if (part.description) faults.push(forbiddenValue(`${at}.description`, "must be empty to be structural"));
  for (const property of Object.keys(part.properties ?? {})) {
    if (schema.properties?.[property]) continue;
    faults.push(
      requiredValue(
        `${path}.properties[${property}]`,
        `because it is defined in ${at}.properties[${property}]`,
      ),
    );
  }
  return faults;
};

const ruleFaults = (schema: Schema, path: string, isRoot: boolean): Cause[] => {
  const rules = schema["x-kubernetes-validations"] ?? [];
  if (rules.length === 0) return [];
  const result = compileRules(isRoot ? rootSchema(schema) : schema);
  if (result.ok) return [];
  return result.faults.map(({ index, field, why }) =>
    invalidValue(`${path}.x-kubernetes-validations[${index}].${field}`, toJson(rules[index]?.[field]), why),
  );
};
