// SPDX-License-Identifier: Apache-2.0
// A client of the Kubernetes API server: get, list, watch and merge patch, with failures that are tagged.
// Our own on undici, which the process has anyway: @kubernetes/client-node takes 86 MiB of resident memory by itself,
// three quarters of what the whole bot may have, for four verbs on one resource.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import type { KubernetesConfig } from "../config/kubernetes.ts";
import { jsonOf } from "../json.ts";
import { type Clock, monotonicClock, sleep } from "../time.ts";
import {
  type ApiFailure,
  failureOf,
  failureOfConnection,
  failureOfEvent,
  unavailable,
} from "./api-failure.ts";
import { type ApiConnection, lines, openApiConnection, TooLong, wholeText } from "./connection.ts";

type ApiEvent = {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: unknown;
};

type ApiWatch = {
  /** From `/apis` on, with its query. */
  readonly path: string;
  readonly signal: AbortSignal;
  /** The watch is given up when nothing, no bookmark either, has arrived for so long. */
  readonly silentMs: number;
  onOpen(): void;
  onEvent(event: ApiEvent): void;
};

/** How a watch ended: by the server, for want of any sign of life, by `signal`, or by a failure. */
export type WatchEnd = { readonly ok: true; readonly end: "closed" | "silent" | "aborted" } | ApiFailure;

type WatchLimits = {
  readonly clock: Clock;
  /** For the server to begin its answer. */
  readonly openMs: number;
  /** Of one event. */
  readonly maxLineBytes: number;
};

const EVENT_TYPES: readonly ApiEvent["type"][] = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"];
const WatchLine = Type.Object({
  type: Type.Union([...EVENT_TYPES, "ERROR"].map((type) => Type.Literal(type))),
  object: Type.Unknown(),
});

/**
 * One watch, from its opening to its end. Never throws for what the server or the network does.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
const watchOnce = async (
  connection: ApiConnection,
  { path, signal, silentMs, onOpen, onEvent }: ApiWatch,
  { clock, openMs, maxLineBytes }: WatchLimits,
): Promise<WatchEnd> => {
  const silent = new AbortController();
  let isOpen = false;
  let cancel = clock.after(openMs, () => silent.abort());
  const heard = () => {
    cancel();
    cancel = clock.after(silentMs, () => silent.abort());
  };
  try {
    const { status, retryAfter, body } = await connection.send({
      method: "GET",
      path,
      authorization: connection.authorization(),
      signal: AbortSignal.any([signal, silent.signal]),
    });
    if (status !== 200) return failureOf(status, jsonOf(await wholeText(body, maxLineBytes)), retryAfter);
    isOpen = true;
    heard();
    onOpen();
    for await (const line of lines(body, maxLineBytes, heard)) {
      const event = jsonOf(line);
      if (!Value.Check(WatchLine, event)) return unavailable("sent something that is not a watch event");
      const type = EVENT_TYPES.find((known) => known === event.type);
      if (type === undefined) return failureOfEvent(event.object);
      onEvent({ type, object: event.object });
    }
    return { ok: true, end: "closed" };
  } catch (error) {
    if (signal.aborted) return { ok: true, end: "aborted" };
    if (silent.signal.aborted)
      return isOpen ? { ok: true, end: "silent" } : unavailable("did not answer in time");
    return error instanceof TooLong ? unavailable("answered more than is taken") : failureOfConnection(error);
  } finally {
    cancel();
  }
};

/** The verbs that the Role of the bot has. */
type ApiVerb = "get" | "list" | "watch" | "patch";

/** One exchange, for metrics: a watch counts when it is opened, or when that failed. */
export type ApiExchange = {
  readonly verb: ApiVerb;
  readonly outcome: "ok" | ApiFailure["kind"];
  readonly seconds: number;
};

type ApiCall = {
  readonly verb: "get" | "list" | "patch";
  /** From `/apis` on, with its query. */
  readonly path: string;
  /** What `patch` sends: a JSON merge patch, RFC 7396. */
  readonly mergePatch?: unknown;
  /** Ends the call with "unavailable". */
  readonly signal?: AbortSignal;
};

export type ApiAnswer = { readonly ok: true; readonly body: unknown } | ApiFailure;

/** Nothing of it throws for what the server or the network does. */
export type KubernetesClient = {
  request(call: ApiCall): Promise<ApiAnswer>;
  watch(call: ApiWatch): Promise<WatchEnd>;
  close(): Promise<void>;
};

export type KubernetesClientOptions = {
  readonly config: KubernetesConfig;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly observe?: (exchange: ApiExchange) => void;
  /** For one call with all its attempts, and for a watch to open. */
  readonly timeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** Of a list, and of one event of a watch. etcd takes objects up to 1.5 MiB. */
  readonly maxResponseBytes?: number;
};

/** Of one call, where the server says to come back. */
const MAX_ATTEMPTS = 4;

/** @throws UnusableFile when a file of the credentials can't be used at the start. */
export const openKubernetesClient = (options: KubernetesClientOptions): KubernetesClient => {
  const { config, logger, observe, clock = monotonicClock } = options;
  const { timeoutMs = 5000, connectTimeoutMs = 2000, maxResponseBytes = 32 * 1024 * 1024 } = options;
  const connection = openApiConnection({ config, logger, connectTimeoutMs });
  const closing = new AbortController();

  const attempt = async (
    { verb, path, mergePatch }: ApiCall,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<ApiAnswer> => {
    try {
      const method = verb === "patch" ? "PATCH" : "GET";
      const response = await connection.send({ method, path, authorization, mergePatch, signal });
      const json = jsonOf(await wholeText(response.body, maxResponseBytes));
      if (response.status !== 200) return failureOf(response.status, json, response.retryAfter);
      return json === undefined
        ? unavailable("answered something that is not JSON")
        : { ok: true, body: json };
    } catch (error) {
      if (signal.aborted) return unavailable("did not answer in time");
      return error instanceof TooLong
        ? unavailable("answered more than is taken")
        : failureOfConnection(error);
    }
  };

  const attempts = async (call: ApiCall, deadline: number, signal: AbortSignal): Promise<ApiAnswer> => {
    let mayRenew = true;
    // Who patches has to know whether the first one was made.
    let mayRepeat = call.verb !== "patch";
    for (let count = 1; ; count += 1) {
      const authorization = connection.authorization();
      const answer = await attempt(call, authorization, signal);
      if (answer.ok || signal.aborted || count === MAX_ATTEMPTS) return answer;
      if (answer.status === 401 && mayRenew && connection.authorization() !== authorization) {
        mayRenew = false;
        continue;
      }
      if (answer.stale && mayRepeat) {
        mayRepeat = false;
        continue;
      }
      // 429 is said before a request is looked at; after any other failure a patch may have been made.
      const isSafe = answer.status === 429 || (call.verb !== "patch" && answer.status >= 500);
      const wait = answer.retryAfterMs;
      if (!isSafe || wait === undefined || clock.now() + wait >= deadline) return answer;
      await sleep(clock, wait, signal);
    }
  };

  const told = (verb: ApiVerb, startedAt: number, outcome: ApiExchange["outcome"]): void =>
    observe?.({ verb, outcome, seconds: (clock.now() - startedAt) / 1000 });

  return {
    async request(call) {
      const startedAt = clock.now();
      const late = new AbortController();
      const cancel = clock.after(timeoutMs, () => late.abort());
      const signals = [late.signal, closing.signal, ...(call.signal ? [call.signal] : [])];
      const answer = await attempts(call, startedAt + timeoutMs, AbortSignal.any(signals));
      cancel();
      told(call.verb, startedAt, answer.ok ? "ok" : answer.kind);
      return answer;
    },

    async watch(call) {
      const startedAt = clock.now();
      let isOpen = false;
      const onOpen = () => {
        isOpen = true;
        told("watch", startedAt, "ok");
        call.onOpen();
      };
      const signal = AbortSignal.any([call.signal, closing.signal]);
      const limits = { clock, openMs: timeoutMs, maxLineBytes: maxResponseBytes };
      const end = await watchOnce(connection, { ...call, signal, onOpen }, limits);
      if (!end.ok && !isOpen) told("watch", startedAt, end.kind);
      return end;
    },

    async close() {
      closing.abort();
      await connection.close();
    },
  };
};
