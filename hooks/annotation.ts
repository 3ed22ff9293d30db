// SPDX-License-Identifier: Apache-2.0
// Parses an annotation that holds JSON written by Keyswitch; anybody may have changed it, so it is checked against a schema.
import type { Static, TSchema } from "@sinclair/typebox";
import type { TypeCheck } from "@sinclair/typebox/compiler";
import type { ObjectMeta } from "./kubernetes.ts";

/** What the annotation `name` says; undefined where there is none, or one that somebody has broken. */
export const annotationOf = <S extends TSchema>(
  { metadata }: { readonly metadata: Pick<ObjectMeta, "annotations"> },
  name: string,
  schema: TypeCheck<S>,
): Static<S> | undefined => {
  const text = metadata.annotations?.[name];
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return schema.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
};
