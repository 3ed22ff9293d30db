// SPDX-License-Identifier: Apache-2.0
// Bounds what is in memory of all requests and of all large answers of a process.
import type { FastifyRequest } from "fastify";
import { createByteBudget } from "./byte-budget.ts";
import type { Connections } from "./connections.ts";
import { sendError } from "./errors.ts";
import type { KeyswitchServer } from "./instance.ts";
import type { TrafficLimits } from "./traffic-limits.ts";

/** What is no larger does not wait and is not counted: the bound on connections is a bound on them as well. */
const SMALL_BYTES = 16 * 1024;
const RETRY_AFTER_SECONDS = 1;

/**
 * Answers 429 TOO_BUSY to requests whose bodies find no room, before they are read, and gives replies `roomFor`. Must come
 * after authentication, so that strangers can't fill the room.
 */
export const limitBytes = (
  app: KeyswitchServer,
  { requestBytes, answerBytes }: TrafficLimits,
  whenOver: Connections["whenOver"],
): void => {
  const requests = createByteBudget(requestBytes);
  const answers = createByteBudget(answerBytes);
  app.addHook("onRequest", async (request, reply) => {
    const bytes = bodyBytes(request);
    if (bytes <= SMALL_BYTES) return;
    const release = requests.tryTake(bytes);
    if (release === undefined)
      return sendError(reply, "TOO_BUSY", { retryAfterSeconds: RETRY_AFTER_SECONDS });
    whenOver(reply.raw, release);
  });
  app.decorateReply("roomFor", async function (bytes) {
    if (bytes <= SMALL_BYTES) return true;
    const gone = new AbortController();
    whenOver(this.raw, () => gone.abort());
    const release = await answers.take(bytes, gone.signal);
    if (release === undefined) return false;
    whenOver(this.raw, release);
    return true;
  });
};

/** What the caller says that it will send; without a length it may be all that the route takes. */
const bodyBytes = ({ headers, routeOptions }: FastifyRequest): number =>
  headers["transfer-encoding"] === undefined
    ? Number(headers["content-length"] ?? 0)
    : routeOptions.bodyLimit;
