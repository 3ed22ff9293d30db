// SPDX-License-Identifier: Apache-2.0
// Bounds how many hook requests are worked on at once; the rest is told to come back.
import { sendError } from "./errors.ts";
import type { KeyswitchServer } from "./instance.ts";

/** Metacontroller requeues the object after this long without an error event. */
const RETRY_AFTER_SECONDS = 1;

/**
 * Answers 429 TOO_BUSY to hook requests above `maximum`, before their bodies are read. Must come after authentication,
 * so that strangers can't fill the places.
 */
export const limitInFlight = (app: KeyswitchServer, maximum: number): void => {
  let inFlight = 0;
  app.addHook("onRequest", async (request, reply) => {
    if (request.routeOptions.config.scope !== "hook") return;
    if (inFlight >= maximum) return sendError(reply, "TOO_BUSY", { retryAfterSeconds: RETRY_AFTER_SECONDS });
    inFlight += 1;
    // Not fastify's onResponse, which is not called for a caller that hangs up.
    reply.raw.once("close", () => {
      inFlight -= 1;
    });
  });
};
