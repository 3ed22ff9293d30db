// SPDX-License-Identifier: Apache-2.0
// Defines the JSON body of an error response, the same on every listener.
import { type Static, Type } from "@sinclair/typebox";

/** Every error body of every listener. `code` is one of errors.ts. */
export const ErrorBody = Type.Object({
  code: Type.String(),
  message: Type.String(),
  details: Type.Optional(Type.Array(Type.Object({ field: Type.String(), message: Type.String() }))),
});
export type ErrorBody = Static<typeof ErrorBody>;
