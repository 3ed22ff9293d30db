// SPDX-License-Identifier: Apache-2.0
// Bounds what all requests take of a process together: memory for bodies and large answers, with a queue for those that wait, and
// hooks that are worked on at once.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Connections } from "./connections.ts";
import { sendError } from "./errors.ts";
import type { KeyswitchServer } from "./instance.ts";
import type { TrafficLimits } from "./traffic-limits.ts";

/** What is no larger does not wait and is not counted: the bound on connections is a bound on them as well. */
const SMALL_BYTES = 16 * 1024;
/** A refused body that is no larger is read to its end, so that its connection goes on. */
const SWALLOWED_BYTES = 1024 * 1024;
/** Metacontroller requeues the object after this long without an error event. */
const RETRY_AFTER_SECONDS = 1;

/** Has replies hold bytes of a budget until they are over; `onRelease` is told how many, and how many were received meanwhile. */
const createHolding = (
  budget: ByteBudget,
  whenOver: Connections["whenOver"],
  onRelease: (held: number, received: number) => void,
) => {
  /** Sees to it that what the budget granted is given back. False: it granted nothing. */
  const giveBack = (reply: FastifyReply, bytes: number, release: (() => void) | undefined): boolean => {
    if (release === undefined) return false;
    const { socket } = reply.request.raw;
    const readBefore = socket.bytesRead;
    whenOver(reply.raw, () => {
      release();
      // An injected request has no socket that counts.
      onRelease(bytes, socket.bytesRead - readBefore || 0);
    });
    return true;
  };
  return {
    tryHold: (reply: FastifyReply, bytes: number): boolean => giveBack(reply, bytes, budget.tryTake(bytes)),
    hold: async (reply: FastifyReply, bytes: number, until?: AbortSignal): Promise<boolean> => {
      const gone = new AbortController();
      whenOver(reply.raw, () => gone.abort());
      const signals = until === undefined ? [gone.signal] : [gone.signal, until];
      return giveBack(reply, bytes, await budget.take(bytes, AbortSignal.any(signals)));
    },
  };
};

/**
 * Answers 429 TOO_BUSY to requests whose bodies find no room, before they are read, and gives replies `tryRoomFor` and `roomFor`. Must come
 * after authentication, so that strangers can't fill the room.
 */
export const limitBytes = (
  app: KeyswitchServer,
  { requestBytes, requestBytesWaiting, requestWaitMs, answerBytes, collectEveryBytes }: TrafficLimits,
  whenOver: Connections["whenOver"],
): void => {
  const collect = createGarbageCollector(collectEveryBytes);
  const requests = createHolding(
    createByteBudget(requestBytes, requestBytesWaiting),
    whenOver,
    (held, received) =>
      // What a caller has only said that it will send is no garbage.
      collect(Math.min(held, received)),
  );
  const answers = createHolding(createByteBudget(answerBytes), whenOver, (held) => collect(held));
  const waitForRoom = async (reply: FastifyReply, bytes: number): Promise<boolean> => {
    if (await requests.hold(reply, bytes, AbortSignal.timeout(requestWaitMs))) return true;
    // What is on its way would be read to its end, and thrown away.
    if (bytes > SWALLOWED_BYTES) reply.header("connection", "close");
    sendError(reply, "TOO_BUSY", { retryAfterSeconds: RETRY_AFTER_SECONDS });
    return false;
  };
  app.addHook("onRequest", (request, reply, done) => {
    const bytes = bodyBytes(request);
    if (bytes <= SMALL_BYTES || requests.tryHold(reply, bytes)) return done();
    waitForRoom(reply, bytes).then((hasRoom) => hasRoom && done(), done);
  });
  app.decorateReply("tryRoomFor", function (bytes) {
    return bytes <= SMALL_BYTES || answers.tryHold(this, bytes);
  });
  app.decorateReply("roomFor", async function (bytes, signal) {
    return this.tryRoomFor(bytes) || answers.hold(this, bytes, signal);
  });
};

/**
 * What `make` gives, once there is room for an answer of so many bytes; `expected` of them are waited for before. What there is
 * no room for is let go and made again, so that it takes no memory while it waits. Undefined: the caller has gone.
 */
export const makeWithinBudget = async <T>(
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
const bodyBytes = (request: FastifyRequest): number => {
  const { "content-length": length = "0", "transfer-encoding": encoding } = request.headers;
  const isSaid = encoding === undefined && /^\d{1,15}$/.test(length);
  return isSaid ? Number(length) : request.routeOptions.bodyLimit;
};

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
  app.addHook("onRequest", (request, reply, done) => {
    const { config, url = "" } = request.routeOptions;
    if (config.scope !== "hook") return done();
    const resource = resourceOf(url);
    const others = inFlight.get(resource) ?? 0;
    if (others >= maximum) {
      return void sendError(reply, "TOO_BUSY", { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    inFlight.set(resource, others + 1);
    // Not fastify's onResponse, which is not called for a caller that hangs up.
    whenOver(reply.raw, () => inFlight.set(resource, (inFlight.get(resource) ?? 1) - 1));
    done();
  });
};

type ByteBudget = {
  /** Takes room at once; undefined where there is none, or others wait for it. The answer gives it back. */
  tryTake(bytes: number): (() => void) | undefined;
  /** Waits for room, first come, first served; undefined when `signal` ends the wait, or when too many bytes wait. */
  take(bytes: number, signal: AbortSignal): Promise<(() => void) | undefined>;
};

/** A budget of so many bytes. What is larger than all of it is let in when nothing else is. */
const createByteBudget = (maximum: number, maximumWaiting = Number.POSITIVE_INFINITY): ByteBudget => {
  let taken = 0;
  let waitingBytes = 0;
  const waiting = new Set<{ bytes: number; enter: () => void }>();
  const fits = (bytes: number): boolean => taken === 0 || taken + bytes <= maximum;
  const grant = (bytes: number): (() => void) => {
    taken += bytes;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      taken -= bytes;
      for (const one of waiting) {
        if (!fits(one.bytes)) break;
        one.enter();
      }
    };
  };
  return {
    tryTake: (bytes) => (waiting.size === 0 && fits(bytes) ? grant(bytes) : undefined),
    take: (bytes, signal) => {
      if (signal.aborted) return Promise.resolve(undefined);
      if (waiting.size === 0 && fits(bytes)) return Promise.resolve(grant(bytes));
      if (waiting.size > 0 && waitingBytes + bytes > maximumWaiting) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        const leave = (granted: (() => void) | undefined): void => {
          waiting.delete(one);
          waitingBytes -= bytes;
          signal.removeEventListener("abort", giveUp);
          resolve(granted);
        };
        const one = { bytes, enter: () => leave(grant(bytes)) };
        const giveUp = (): void => leave(undefined);
        waiting.add(one);
        waitingBytes += bytes;
        signal.addEventListener("abort", giveUp);
      });
    },
  };
};

/**
 * A function that is told of the bytes of each large body that is over, and has V8 collect garbage once it has been told of
 * so many. By itself V8 lets the memory grow to a multiple of what is in use before it looks.
 */
const createGarbageCollector = (everyBytes: number): ((bytes: number) => void) => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  let bytesSince = 0;
  return (bytes) => {
    bytesSince += bytes;
    if (bytesSince < everyBytes) return;
    bytesSince = 0;
    setImmediate(collect);
  };
};
