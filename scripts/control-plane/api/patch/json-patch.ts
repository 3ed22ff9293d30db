// SPDX-License-Identifier: Apache-2.0
// JSON patch, RFC 6902, with errors as kube-apiserver words them.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import fastJsonPatch from "fast-json-patch";
import { ApiError, badRequest } from "../api-status.ts";
import { copy, type Json, toJson } from "../json.ts";

const path = Type.String({ pattern: "^(/.*)?$" });
const Operation = Type.Union([
  Type.Object({ op: Type.Literal("add"), path, value: Type.Any() }),
  Type.Object({ op: Type.Literal("replace"), path, value: Type.Any() }),
  Type.Object({ op: Type.Literal("test"), path, value: Type.Any() }),
  Type.Object({ op: Type.Literal("remove"), path }),
  Type.Object({ op: Type.Literal("move"), path, from: path }),
  Type.Object({ op: Type.Literal("copy"), path, from: path }),
]);
const JsonPatch = Type.Array(Operation, { maxItems: 10_000 });
type JsonPatch = Static<typeof JsonPatch>;

/** The target after the operations. Throws 400 for a malformed patch and 422 where an operation does not apply. */
export const jsonPatch = (target: Json, patch: Json): Json => {
  const operations: unknown = patch;
  if (!Value.Check(JsonPatch, operations)) {
    throw badRequest("error decoding patch: expected a list of JSON patch operations");
  }
  try {
    return toJson(fastJsonPatch.applyPatch(copy(target), asOperations(operations), true).newDocument);
  } catch (error) {
    if (!(error instanceof fastJsonPatch.JsonPatchError)) throw error;
    const place = operations[error.index ?? 0];
    throw new ApiError(
      422,
      "Invalid",
      `the server rejected our request due to an error in our request: ${place?.op ?? "operation"} of ${place?.path ?? "?"} failed: ${error.name}`,
    );
  }
};

const asOperations = (operations: JsonPatch): fastJsonPatch.Operation[] =>
  operations.map((operation) => ({ ...operation }));
