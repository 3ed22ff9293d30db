// SPDX-License-Identifier: Apache-2.0
// Builds a ResourceKind from its differences to the usual behaviour.
import { everyVerb, type ResourceKind } from "../registry.ts";
import type { Schema } from "../schema/schema.ts";

type Given = Pick<ResourceKind, "group" | "version" | "kind" | "plural"> & Partial<ResourceKind>;

/** A schema that takes anything. */
const anySchema: Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

/** A kind with the usual values: namespaced, no subresources, no generation. */
export const kindOf = (given: Given): ResourceKind => ({
  listKind: `${given.kind}List`,
  singular: given.kind.toLowerCase(),
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: anySchema,
  custom: false,
  statusSubresource: false,
  scale: undefined,
  countsGeneration: false,
  columns: [],
  behaviour: {},
  verbs: everyVerb,
  ...given,
});
