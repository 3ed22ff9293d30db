// SPDX-License-Identifier: Apache-2.0
// Limits the hook requests in flight for each resource; further ones get 429.
import type { Connections } from "./connections.ts";
import { sendError } from "./errors.ts";
import type { KeyswitchServer } from "./instance.ts";

/** Metacontroller requeues the object after this long without an error event. */
const RETRY_AFTER_SECONDS = 1;

/** `/hooks/toggle` of `/hooks/toggle/sync`: those that wait for a token must not take the places of the others. */
const resourceOf = (url: string): string => url.slice(0, url.lastIndexOf("/"));

/**
 * Answers 429 TOO_BUSY to hook requests of one resource above `maximum`, before their bodies are read. Must come after authentication,
 * so that strangers can't fill the places.
 */
export const limitInFlight = (
  app: KeyswitchServer,
  maximum: number,
  whenOver: Connections["whenOver"],
): void => {
  const inFlight = new Map<string, number>();
  app.addHook("onRequest", async (request, reply) => {
    if (request.routeOptions.config.scope !== "hook") return;
    const resource = resourceOf(request.routeOptions.url ?? "");
    const others = inFlight.get(resource) ?? 0;
    if (others >= maximum) return sendError(reply, "TOO_BUSY", { retryAfterSeconds: RETRY_AFTER_SECONDS });
    inFlight.set(resource, others + 1);
    // Not fastify's onResponse, which is not called for a caller that hangs up.
    whenOver(reply.raw, () => inFlight.set(resource, (inFlight.get(resource) ?? 1) - 1));
  });
};
