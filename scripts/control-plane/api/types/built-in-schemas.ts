// SPDX-License-Identifier: Apache-2.0
// The whole schema of a kind: its own fields beside apiVersion, kind and metadata.
import type { Schema } from "../schema/schema.ts";
import { clusterTypes } from "./cluster-types.ts";
import { controllerTypes } from "./controller-types.ts";
import { metaTypes, objectMetaSchema } from "./meta-types.ts";
import { podTypes } from "./pod-types.ts";
import { structSchema } from "./struct-schema.ts";
import { volumeTypes } from "./volume-types.ts";
import { workloadTypes } from "./workload-types.ts";

const structs = {
  ...metaTypes,
  ...podTypes,
  ...volumeTypes,
  ...workloadTypes,
  ...clusterTypes,
  ...controllerTypes,
};

const typeFields = {
  apiVersion: { type: "string", description: "APIVersion defines the versioned schema of this object." },
  kind: { type: "string", description: "Kind is the REST resource that this object represents." },
};

/** The schema of a built-in kind, by the name of its struct. */
export const builtInSchema = (name: string): Schema => {
  const schema = structSchema(structs, name);
  return { ...schema, properties: { ...typeFields, metadata: objectMetaSchema, ...schema.properties } };
};

/** A custom resource's schema with the type fields and metadata that every object has. */
export const withObjectFields = (schema: Schema): Schema => ({
  ...schema,
  properties: {
    ...schema.properties,
    apiVersion: { ...typeFields.apiVersion, ...schema.properties?.apiVersion },
    kind: { ...typeFields.kind, ...schema.properties?.kind },
    metadata: objectMetaSchema,
  },
});
