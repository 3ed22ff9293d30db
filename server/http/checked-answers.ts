// SPDX-License-Identifier: Apache-2.0
// Checks responses against their schema before they leave: one that does not fit is a bug, answered with 500.
import type { TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { FastifySerializerCompiler } from "fastify/types/schema.js";

/** fastify's serializer compiler. */
export const compileSerializer: FastifySerializerCompiler<TSchema> = ({ schema }) => {
  const check = TypeCompiler.Compile(schema);
  return (data: unknown) => {
    if (!check.Check(data)) throw new TypeError("an answer does not fit its schema");
    return JSON.stringify(data);
  };
};
