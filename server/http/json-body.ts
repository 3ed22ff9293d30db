// SPDX-License-Identifier: Apache-2.0
// Parses JSON request bodies. A key may have any name, `__proto__` included: Kubernetes Secrets have such keys.
import type { FastifyRequest } from "fastify";
import { ApiError } from "./errors.ts";
import type { KeyswitchServer } from "./instance.ts";

/**
 * Takes bodies of `mediaType` as JSON. JSON.parse makes `__proto__` a property like any other, and so do spread and
 * Object.fromEntries; assigning to a computed name and Object.assign would not. A route without a schema for its body
 * takes an empty one, whatever the caller calls it.
 */
export const parseJsonBodies = (app: KeyswitchServer, mediaType: string): void => {
  app.addContentTypeParser(
    mediaType,
    { parseAs: "string" },
    async (request: FastifyRequest, body: string) => {
      if (body.length === 0 && request.routeOptions.schema?.body === undefined) return undefined;
      try {
        return JSON.parse(body.replace(/^\uFEFF/, ""));
      } catch {
        throw new ApiError("INVALID_JSON");
      }
    },
  );
};
