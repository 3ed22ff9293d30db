// SPDX-License-Identifier: Apache-2.0
// Rejects foreign Host headers on open loopback listeners, so that web pages can't reach them (DNS rebinding).
import { isLoopback } from "../config/loopback.ts";
import { sendError } from "./errors.ts";
import type { KeyswitchServer } from "./instance.ts";

const MESSAGE = "The Host header must name loopback: 127.0.0.1, ::1 or localhost.";

/**
 * Refuses requests whose Host is not loopback: a browser sends the name of the page's own server, which may point here. Must come before
 * whatever looks at credentials.
 */
export const refuseOtherHosts = (app: KeyswitchServer): void => {
  app.addHook("onRequest", async (request, reply) => {
    const { host } = request.headers;
    if (host === undefined || isLoopback(host.replace(/:\d*$/, ""))) return;
    reply.header("x-request-id", request.id);
    return sendError(reply, "FORBIDDEN", { message: MESSAGE });
  });
};
