// SPDX-License-Identifier: Apache-2.0
// Serves openapi/v3: the schemas and operations that kubectl reads for explain, apply and validation.
import { createHash } from "node:crypto";
import type { Json, JsonObject } from "./json.ts";
import { apiVersionOf, type Registry, type ResourceKind } from "./registry.ts";
import type { Schema } from "./schema/schema.ts";
import { withObjectFields } from "./types/built-in-schemas.ts";

const rootPath = (apiVersion: string): string =>
  apiVersion.includes("/") ? `apis/${apiVersion}` : `api/${apiVersion}`;

const indexes = new WeakMap<Registry, { revision: number; index: JsonObject }>();

/** The index of documents, one for each group version. */
export const openApiIndex = (registry: Registry): JsonObject => {
  const cached = indexes.get(registry);
  if (cached?.revision === registry.revision) return cached.index;
  const index = makeIndex(registry);
  indexes.set(registry, { revision: registry.revision, index });
  return index;
};

const makeIndex = (registry: Registry): JsonObject => {
  const versions = new Set(registry.all().map(apiVersionOf));
  const entries = [...versions].map((apiVersion) => {
    // The hash makes clients fetch a document again once its definitions changed.
    const hash = createHash("sha256")
      .update(JSON.stringify(document(registry, apiVersion)))
      .digest("hex");
    const url = `/openapi/v3/${rootPath(apiVersion)}?hash=${hash.slice(0, 32).toUpperCase()}`;
    return [rootPath(apiVersion), { serverRelativeURL: url }];
  });
  return { paths: Object.fromEntries(entries) };
};

/** The document at `/openapi/v3/<path>`, or undefined where no such group version is served. */
export const openApiDocument = (registry: Registry, path: string): JsonObject | undefined => {
  const apiVersion = path.replace(/^apis?\//, "");
  return registry.ofGroupVersion(apiVersion).length > 0 ? document(registry, apiVersion) : undefined;
};

const document = (registry: Registry, apiVersion: string): JsonObject => {
  const schemas: JsonObject = {};
  const paths: JsonObject = {};
  for (const kind of registry.ofGroupVersion(apiVersion)) {
    const schema = kind.custom ? withObjectFields(kind.schema) : kind.schema;
    schemas[schemaName(kind)] = {
      ...openApiSchema({ ...schema, type: "object" }, schemas, true),
      "x-kubernetes-group-version-kind": [gvkOf(kind)],
    };
    Object.assign(paths, operations(kind));
  }
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: "v1.32.0" },
    paths,
    components: { schemas },
  };
};

const gvkOf = (kind: ResourceKind): JsonObject => ({
  group: kind.group,
  kind: kind.kind,
  version: kind.version,
});

const schemaName = (kind: ResourceKind): string => {
  if (!kind.custom) return `io.k8s.api.${kind.group.split(".")[0] || "core"}.${kind.version}.${kind.kind}`;
  return [...kind.group.split(".").reverse(), kind.version, kind.kind].join(".");
};

const reference = (name: string): JsonObject => ({ $ref: `#/components/schemas/${name}` });

const operations = (kind: ResourceKind): JsonObject => {
  const root = `/${rootPath(apiVersionOf(kind))}`;
  const collection = kind.namespaced
    ? `${root}/namespaces/{namespace}/${kind.plural}`
    : `${root}/${kind.plural}`;
  const gvk = { "x-kubernetes-group-version-kind": gvkOf(kind) };
  const schema = { schema: reference(schemaName(kind)) };
  const parameter = (name: string): JsonObject => ({
    name,
    in: "query",
    schema: { type: "string", uniqueItems: true },
  });
  const parameters = ["dryRun", "fieldManager", "fieldValidation"].map(parameter);
  const responses = { "200": { description: "OK", content: { "application/json": schema } } };
  const operation = (action: string, more: JsonObject): JsonObject => ({
    responses,
    "x-kubernetes-action": action,
    ...gvk,
    ...more,
  });
  const write = { parameters, requestBody: { content: { "*/*": schema } } };
  const patchTypes = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    ...(kind.custom ? [] : ["application/strategic-merge-patch+json"]),
  ];
  const patchBody = {
    content: Object.fromEntries(patchTypes.map((type) => [type, { schema: { type: "object" } }])),
  };
  return {
    [collection]: { get: operation("list", {}), post: operation("post", write) },
    [`${collection}/{name}`]: {
      get: operation("get", {}),
      put: operation("put", write),
      delete: operation("delete", {}),
      patch: operation("patch", {
        parameters: [...parameters, parameter("force")],
        requestBody: patchBody,
      }),
    },
  };
};

/** A schema in OpenAPI's form; shared structs move to `shared` and are referred to. */
const openApiSchema = (schema: Schema, shared: JsonObject, isRoot: boolean): JsonObject => {
  const { "x-definition": name, "x-pointer": _, description, default: fallback, ...rest } = schema;
  if (name !== undefined && !isRoot) return sharedSchema(name, schema, shared);
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(rest)) {
    const converted = convert(key, value, shared);
    if (converted !== undefined) result[key] = converted;
  }
  if (schema["x-kubernetes-int-or-string"]) {
    result.format = "int-or-string";
    result.oneOf = [{ type: "integer" }, { type: "string" }];
  }
  return { ...described(description, fallback), ...result };
};

const described = (description: string | undefined, fallback: Json | undefined): JsonObject => ({
  ...(description ? { description } : {}),
  ...(fallback === undefined ? {} : { default: fallback }),
});

/** A reference to the struct `name`, which `shared` has afterwards. */
const sharedSchema = (name: string, schema: Schema, shared: JsonObject): JsonObject => {
  const { "x-definition": _, "x-pointer": _pointer, default: fallback, ...rest } = schema;
  const { "x-kubernetes-patch-strategy": strategy, ...plain } = rest;
  const fullName = `io.k8s.types.${name}`;
  if (shared[fullName] === undefined) {
    shared[fullName] = {}; // a struct may contain itself
    shared[fullName] = openApiSchema(plain, shared, true);
  }
  return {
    allOf: [reference(fullName)],
    ...described(schema.description, fallback),
    ...(strategy ? { "x-kubernetes-patch-strategy": strategy } : {}),
  };
};

const convert = (key: string, value: Schema[keyof Schema], shared: JsonObject): Json | undefined => {
  if (value === undefined) return undefined;
  const below = (schema: Schema) => openApiSchema(schema, shared, false);
  if (key === "properties" && isSchemas(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, below(schema)]));
  }
  if ((key === "items" || key === "additionalProperties" || key === "not") && isSchema(value)) {
    return below(value);
  }
  if ((key === "allOf" || key === "anyOf" || key === "oneOf") && isSchemaList(value)) return value.map(below);
  return toPlain(value);
};

const isSchema = (value: Schema[keyof Schema]): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isSchemas = (value: Schema[keyof Schema]): value is { [name: string]: Schema } => isSchema(value);

const isSchemaList = (value: Schema[keyof Schema]): value is Schema[] => Array.isArray(value);

const toPlain = (value: Schema[keyof Schema]): Json => JSON.parse(JSON.stringify(value));
