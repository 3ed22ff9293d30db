// SPDX-License-Identifier: Apache-2.0
// Implements CustomResourceDefinitions: the kind itself, and the kinds that each of them adds to the server.

import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { rfc3339 } from "../../../../server/time.ts";
import type { ApiContext } from "../api-request.ts";
import { definitionFinalizer } from "../content-cleanup.ts";
import { isObject, type JsonObject } from "../json.ts";
import type { KubeObject } from "../kube-object.ts";
import { bucketOf, type ResourceKind } from "../registry.ts";
import { SchemaShape } from "../schema/schema-shape.ts";
import { builtInColumns } from "../table/built-in-columns.ts";
import { customColumns } from "../table/custom-columns.ts";
import { builtInSchema } from "../types/built-in-schemas.ts";
import { definitionFaults } from "../validation/definition-validation.ts";
import { kindOf } from "./kind.ts";

const Column = Type.Object({
  name: Type.String(),
  type: Type.String(),
  jsonPath: Type.String(),
  format: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  priority: Type.Optional(Type.Integer()),
});
const Version = Type.Object({
  name: Type.String(),
  served: Type.Boolean(),
  storage: Type.Boolean(),
  schema: Type.Optional(Type.Object({ openAPIV3Schema: Type.Optional(SchemaShape) })),
  subresources: Type.Optional(
    Type.Object({
      status: Type.Optional(Type.Object({})),
      scale: Type.Optional(
        Type.Object({
          specReplicasPath: Type.String(),
          statusReplicasPath: Type.String(),
          labelSelectorPath: Type.Optional(Type.String()),
        }),
      ),
    }),
  ),
  additionalPrinterColumns: Type.Optional(Type.Array(Column)),
});
const Names = Type.Object({
  plural: Type.String({ minLength: 1 }),
  kind: Type.String({ minLength: 1 }),
  singular: Type.Optional(Type.String()),
  listKind: Type.Optional(Type.String()),
  shortNames: Type.Optional(Type.Array(Type.String())),
  categories: Type.Optional(Type.Array(Type.String())),
});
/** The spec of apiextensions.k8s.io/v1 CustomResourceDefinition, as far as this server reads it. */
const DefinitionSpec = Type.Object({
  group: Type.String({ minLength: 1 }),
  scope: Type.Union([Type.Literal("Namespaced"), Type.Literal("Cluster")]),
  names: Names,
  versions: Type.Array(Version, { minItems: 1 }),
});
type DefinitionSpec = Static<typeof DefinitionSpec>;
type DefinitionVersion = Static<typeof Version>;

const pathOf = (jsonPath: string): string[] => jsonPath.split(".").filter((part) => part !== "");

const definedKind = (spec: DefinitionSpec, version: DefinitionVersion): ResourceKind => {
  const scale = version.subresources?.scale;
  return kindOf({
    group: spec.group,
    version: version.name,
    kind: spec.names.kind,
    plural: spec.names.plural,
    listKind: spec.names.listKind || `${spec.names.kind}List`,
    singular: spec.names.singular || spec.names.kind.toLowerCase(),
    shortNames: spec.names.shortNames ?? [],
    categories: spec.names.categories ?? [],
    namespaced: spec.scope === "Namespaced",
    schema: version.schema?.openAPIV3Schema ?? {},
    custom: true,
    countsGeneration: true,
    statusSubresource: version.subresources?.status !== undefined,
    scale: scale && {
      spec: pathOf(scale.specReplicasPath),
      status: pathOf(scale.statusReplicasPath),
      labelSelector: scale.labelSelectorPath === undefined ? undefined : pathOf(scale.labelSelectorPath),
    },
    columns: customColumns(version.additionalPrinterColumns),
  });
};

const condition = (type: string, reason: string, message: string, now: Date): JsonObject => ({
  lastTransitionTime: rfc3339(now),
  message,
  reason,
  status: "True",
  type,
});

const prepareDefinition = (object: KubeObject, _old: KubeObject | undefined, now: Date): void => {
  const { spec } = object;
  if (!Value.Check(DefinitionSpec, spec) || !isObject(spec)) return; // validation reports it
  const { names } = spec;
  const accepted: JsonObject = {
    ...names,
    listKind: names.listKind || `${names.kind}List`,
    singular: names.singular || names.kind.toLowerCase(),
  };
  spec.names = { ...spec.names, ...accepted };
  if (!object.metadata.deletionTimestamp && !object.metadata.finalizers?.includes(definitionFinalizer)) {
    object.metadata.finalizers = [...(object.metadata.finalizers ?? []), definitionFinalizer];
  }
  const old = isObject(object.status) ? object.status.conditions : undefined;
  object.status = {
    conditions: Array.isArray(old)
      ? old
      : [
          condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
          condition("Established", "InitialNamesAccepted", "the initial names have been accepted", now),
        ],
    acceptedNames: accepted,
    storedVersions: spec.versions.filter(({ storage }) => storage).map(({ name }) => name),
  };
};

export const customResourceDefinitions: ResourceKind = kindOf({
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  shortNames: ["crd", "crds"],
  namespaced: false,
  categories: ["api-extensions"],
  statusSubresource: true,
  countsGeneration: true,
  schema: builtInSchema("CustomResourceDefinition"),
  columns: builtInColumns("CustomResourceDefinition"),
  behaviour: { prepare: prepareDefinition, validate: definitionFaults },
});

/** The kinds that a definition serves. */
const kindsOf = (definition: KubeObject): ResourceKind[] => {
  const { spec } = definition;
  if (!Value.Check(DefinitionSpec, spec)) return [];
  return spec.versions.filter(({ served }) => served).map((version) => definedKind(spec, version));
};

/** Keeps the registry in step with the stored definitions until the answer is called. */
export const watchDefinitions = (ctx: ApiContext): (() => void) =>
  ctx.store.subscribe((event) => {
    if (event.bucket !== bucketOf(customResourceDefinitions)) return;
    for (const kind of event.previous ? kindsOf(event.previous) : []) ctx.registry.remove(kind);
    if (event.type === "DELETED") return;
    for (const kind of kindsOf(event.object)) ctx.registry.add(kind);
  });
