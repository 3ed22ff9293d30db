// SPDX-License-Identifier: Apache-2.0
// Bounds what is in memory of all requests and of all large answers of a process.
import type { FastifyReply, FastifyRequest } from "fastify";
import { type ByteBudget, createByteBudget } from "./byte-budget.ts";
import type { Connections } from "./connections.ts";
import { sendError } from "./errors.ts";
import { createCollector } from "./garbage.ts";
import type { KeyswitchServer } from "./instance.ts";
import type { TrafficLimits } from "./traffic-limits.ts";

/** What is no larger does not wait and is not counted: the bound on connections is a bound on them as well. */
const SMALL_BYTES = 16 * 1024;
/** A refused body that is no larger is read to its end, so that its connection goes on. */
const SWALLOWED_BYTES = 1024 * 1024;
const RETRY_AFTER_SECONDS = 1;

/**
 * Answers 429 TOO_BUSY to requests whose bodies find no room, before they are read, and gives replies `tryRoomFor` and `roomFor`. Must come
 * after authentication, so that strangers can't fill the room.
 */
export const limitBytes = (
  app: KeyswitchServer,
  { requestBytes, requestBytesWaiting, requestWaitMs, answerBytes, collectEveryBytes }: TrafficLimits,
  whenOver: Connections["whenOver"],
): void => {
  const requests = createByteBudget(requestBytes, requestBytesWaiting);
  const answers = createByteBudget(answerBytes);
  const collect = createCollector(collectEveryBytes);
  /** Gives back what a budget granted when `reply` is over. What a caller has only said that it will send is no garbage. */
  const giveBack = (
    reply: FastifyReply,
    budget: ByteBudget,
    bytes: number,
    release: (() => void) | undefined,
  ): boolean => {
    if (release === undefined) return false;
    const { socket } = reply.request.raw;
    const readBefore = socket.bytesRead;
    whenOver(reply.raw, () => {
      release();
      // An injected request has no socket that counts.
      const received = socket.bytesRead - readBefore || 0;
      collect(budget === answers ? bytes : Math.min(bytes, received));
    });
    return true;
  };
  const tryHold = (reply: FastifyReply, budget: ByteBudget, bytes: number): boolean =>
    giveBack(reply, budget, bytes, budget.tryTake(bytes));
  const hold = async (reply: FastifyReply, budget: ByteBudget, bytes: number, until?: AbortSignal) => {
    const gone = new AbortController();
    whenOver(reply.raw, () => gone.abort());
    const signals = until === undefined ? [gone.signal] : [gone.signal, until];
    return giveBack(reply, budget, bytes, await budget.take(bytes, AbortSignal.any(signals)));
  };
  app.addHook("onRequest", async (request, reply) => {
    const bytes = bodyBytes(request);
    if (bytes <= SMALL_BYTES || tryHold(reply, requests, bytes)) return;
    if (await hold(reply, requests, bytes, AbortSignal.timeout(requestWaitMs))) return;
    // What is on its way would be read to its end, and thrown away.
    if (bytes > SWALLOWED_BYTES) reply.header("connection", "close");
    return sendError(reply, "TOO_BUSY", { retryAfterSeconds: RETRY_AFTER_SECONDS });
  });
  app.decorateReply("tryRoomFor", function (bytes) {
    return bytes <= SMALL_BYTES || tryHold(this, answers, bytes);
  });
  app.decorateReply("roomFor", async function (bytes, signal) {
    return this.tryRoomFor(bytes) || hold(this, answers, bytes, signal);
  });
};

/**
 * What `make` gives, once there is room for an answer of so many bytes; `expected` of them are waited for before. What there is
 * no room for is let go and made again, so that it takes no memory while it waits. Undefined: the caller has gone.
 */
export const makeWithRoom = async <T>(
  reply: FastifyReply,
  expected: number,
  make: (again: boolean) => Promise<T>,
  bytesOf: (made: T) => number,
): Promise<T | undefined> => {
  if (!(await reply.roomFor(expected))) return undefined;
  const first = fitting(reply, await make(false), (made) => bytesOf(made) - expected);
  if ("made" in first) return first.made;
  return (await reply.roomFor(first.bytes)) ? make(true) : undefined;
};

/** What was made where there is room for it, and else only how large it is: a function of its own, which holds nothing on. */
const fitting = <T>(
  reply: FastifyReply,
  made: T,
  bytesOf: (made: T) => number,
): { made: T } | { bytes: number } => {
  const bytes = bytesOf(made);
  return reply.tryRoomFor(bytes) ? { made } : { bytes };
};

/** What the caller says that it will send; without a length that is one it may be all that the route takes. */
const bodyBytes = ({ headers, routeOptions }: FastifyRequest): number => {
  const { "content-length": length = "0", "transfer-encoding": encoding } = headers;
  return encoding === undefined && /^\d{1,15}$/.test(length) ? Number(length) : routeOptions.bodyLimit;
};
