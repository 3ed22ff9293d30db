// SPDX-License-Identifier: Apache-2.0
// Chooses a request's correlation id: the caller's x-request-id where it is well-formed, else a new one.
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

/** What an id may look like: it goes into logs and headers as it is. */
const RequestId = Type.String({ pattern: "^[A-Za-z0-9._-]{1,128}$" });

/** fastify's genReqId. */
export const requestId = (request: IncomingMessage): string => {
  const given = request.headers["x-request-id"];
  return Value.Check(RequestId, given) ? given : randomUUID();
};
