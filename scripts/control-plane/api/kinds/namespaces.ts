// SPDX-License-Identifier: Apache-2.0
// Implements Namespaces, and creates those that exist from the start.
import type { ApiContext } from "../api-request.ts";
import { stringOf, valueAt } from "../json.ts";
import { createObject } from "../object-write.ts";
import type { ResourceKind } from "../registry.ts";
import { builtInColumns } from "../table/built-in-columns.ts";
import { builtInSchema } from "../types/built-in-schemas.ts";
import { kindOf } from "./kind.ts";

export const namespaces: ResourceKind = kindOf({
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  shortNames: ["ns"],
  namespaced: false,
  statusSubresource: true,
  schema: builtInSchema("Namespace"),
  columns: builtInColumns("Namespace"),
  behaviour: {
    selectable: (object) => ({ "status.phase": stringOf(valueAt(object, ["status", "phase"])) ?? "" }),
    prepare: (object, old) => {
      const name = object.metadata.name ?? "";
      object.metadata.labels = { ...object.metadata.labels, "kubernetes.io/metadata.name": name };
      if (old) return;
      object.spec = { finalizers: ["kubernetes"] };
      object.status = { phase: "Active" };
    },
  },
});

/** Makes `default` and `kube-system`. */
export const createSystemNamespaces = (ctx: ApiContext): void => {
  for (const name of ["default", "kube-system"]) {
    createObject(
      ctx,
      namespaces,
      undefined,
      { apiVersion: "v1", kind: "Namespace", metadata: { name } },
      { manager: "kube-apiserver", dryRun: false, fieldValidation: "Strict", force: false, warnings: [] },
    );
  }
};
