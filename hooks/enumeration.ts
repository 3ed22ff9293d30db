// SPDX-License-Identifier: Apache-2.0
// Builds a TypeBox schema for a fixed set of strings.
import { type SchemaOptions, Type } from "@sinclair/typebox";

/** One of `values`. Literals, because TypeBox checks no `enum`; scripts/crd.ts writes them as one. */
export const enumeration = <const V extends string>(values: readonly V[], options: SchemaOptions = {}) =>
  Type.Union(
    values.map((value) => Type.Literal(value)),
    options,
  );
