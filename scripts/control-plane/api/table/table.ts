// SPDX-License-Identifier: Apache-2.0
// Renders meta.k8s.io/v1 Tables, which kubectl get prints.
import type { JsonObject } from "../json.ts";
import type { KubeObject } from "../kube-object.ts";
import type { Column, ResourceKind } from "../registry.ts";

export type TableOptions = { now: Date; includeObject: string; version: string | undefined };

/** True where the Accept header asks for a Table. */
export const wantsTable = (accept: string): boolean => {
  const first = accept.split(",")[0] ?? "";
  return /;\s*as=Table\b/.test(first) && /g=meta\.k8s\.io/.test(first);
};

const nameColumn: Column = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name must be unique within a namespace.",
  value: (object) => object.metadata.name ?? "",
};

/** The Table of some objects of one kind. */
export const tableOf = (kind: ResourceKind, objects: KubeObject[], options: TableOptions): JsonObject => {
  const hasName = kind.columns.some((column) => column.name === nameColumn.name);
  const columns = hasName ? kind.columns : [nameColumn, ...kind.columns];
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: options.version ? { resourceVersion: options.version } : {},
    columnDefinitions: columns.map(({ name, type, format, description, priority }) => ({
      name,
      type,
      format: format ?? "",
      description: description ?? "",
      priority: priority ?? 0,
    })),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.value?.(object, options.now) ?? null),
      ...rowObject(object, options.includeObject),
    })),
  };
};

const rowObject = (object: KubeObject, include: string): JsonObject => {
  if (include === "None") return {};
  if (include === "Object") return { object };
  return {
    object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata },
  };
};
