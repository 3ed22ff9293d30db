// SPDX-License-Identifier: Apache-2.0
// Implements a client of the Kubernetes API server: get, list, watch and merge patch, with tagged failures. It is our own on
// undici, which the process has anyway: @kubernetes/client-node takes 86 MiB of resident memory by itself, three quarters of
// what the whole bot may have, for four verbs on one resource.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import { jsonOf } from "../json.ts";
import { type Clock, monotonicClock, sleep } from "../time.ts";
import {
  type ApiFailure,
  failureOf,
  failureOfConnection,
  failureOfEvent,
  unavailable,
} from "./api-failure.ts";
import type { KubernetesConfig } from "./config.ts";
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

/** Gives a watch up that does not open, or is silent afterwards, for too long. */
class Silence {
  readonly #clock: Clock;
  readonly #end = new AbortController();
  #cancel: () => void;

  constructor(clock: Clock, openMs: number) {
    this.#clock = clock;
    this.#cancel = clock.after(openMs, () => this.#end.abort());
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Something has arrived: the time begins anew. */
  heard(silentMs: number): void {
    this.#cancel();
    this.#cancel = this.#clock.after(silentMs, () => this.#end.abort());
  }

  cancel(): void {
    this.#cancel();
  }
}

/** Hands the events of an open watch on until it ends. */
const readEvents = async (
  eventLines: AsyncIterable<string>,
  onEvent: (event: ApiEvent) => void,
): Promise<WatchEnd> => {
  for await (const line of eventLines) {
    const event = jsonOf(line);
    if (!Value.Check(WatchLine, event)) return unavailable("sent something that is not a watch event");
    const type = EVENT_TYPES.find((known) => known === event.type);
    if (type === undefined) return failureOfEvent(event.object);
    onEvent({ type, object: event.object });
  }
  return { ok: true, end: "closed" };
};

/** What an exchange came to that threw before anybody gave it up. */
const failureOfExchange = (error: unknown): ApiFailure =>
  error instanceof TooLong ? unavailable("answered more than is taken") : failureOfConnection(error);

/**
 * One watch, from its opening to its end. Never throws for what the server or the network does.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
const watchOnce = async (
  connection: ApiConnection,
  { path, signal, silentMs, onOpen, onEvent }: ApiWatch,
  { clock, openMs, maxLineBytes }: WatchLimits,
): Promise<WatchEnd> => {
  const silence = new Silence(clock, openMs);
  const heard = () => silence.heard(silentMs);
  let isOpen = false;
  try {
    const { status, retryAfter, body } = await connection.send({
      method: "GET",
      path,
      authorization: connection.authorization(),
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (status !== 200) return failureOf(status, jsonOf(await wholeText(body, maxLineBytes)), retryAfter);
    isOpen = true;
    heard();
    onOpen();
    return await readEvents(lines(body, maxLineBytes, heard), onEvent);
  } catch (error) {
    if (signal.aborted) return { ok: true, end: "aborted" };
    if (!silence.signal.aborted) return failureOfExchange(error);
    return isOpen ? { ok: true, end: "silent" } : unavailable("did not answer in time");
  } finally {
    silence.cancel();
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

/** Milliseconds after which a call may be sent again; undefined where it may not. */
const waitOf = (verb: ApiCall["verb"], { status, retryAfterMs }: ApiFailure): number | undefined => {
  // 429 is said before a request is looked at; after any other failure a patch may have been made.
  const isSafe = status === 429 || (verb !== "patch" && status >= 500);
  return isSafe ? retryAfterMs : undefined;
};

class RestClient implements KubernetesClient {
  readonly #connection: ApiConnection;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #maxResponseBytes: number;
  readonly #observe: KubernetesClientOptions["observe"];
  readonly #closing = new AbortController();

  constructor(options: KubernetesClientOptions) {
    const { config, logger, connectTimeoutMs = 2000 } = options;
    this.#connection = openApiConnection({ config, logger, connectTimeoutMs });
    this.#clock = options.clock ?? monotonicClock;
    this.#timeoutMs = options.timeoutMs ?? 5000;
    this.#maxResponseBytes = options.maxResponseBytes ?? 32 * 1024 * 1024;
    this.#observe = options.observe;
  }

  async request(call: ApiCall): Promise<ApiAnswer> {
    const startedAt = this.#clock.now();
    const late = new AbortController();
    const cancel = this.#clock.after(this.#timeoutMs, () => late.abort());
    const signals = [late.signal, this.#closing.signal, ...(call.signal ? [call.signal] : [])];
    const answer = await this.#attempts(call, startedAt + this.#timeoutMs, AbortSignal.any(signals));
    cancel();
    this.#told(call.verb, startedAt, answer.ok ? "ok" : answer.kind);
    return answer;
  }

  async watch(call: ApiWatch): Promise<WatchEnd> {
    const startedAt = this.#clock.now();
    let isOpen = false;
    const onOpen = () => {
      isOpen = true;
      this.#told("watch", startedAt, "ok");
      call.onOpen();
    };
    const signal = AbortSignal.any([call.signal, this.#closing.signal]);
    const limits = { clock: this.#clock, openMs: this.#timeoutMs, maxLineBytes: this.#maxResponseBytes };
    const end = await watchOnce(this.#connection, { ...call, signal, onOpen }, limits);
    if (!end.ok && !isOpen) this.#told("watch", startedAt, end.kind);
    return end;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#connection.close();
  }

  async #attempts(call: ApiCall, deadline: number, signal: AbortSignal): Promise<ApiAnswer> {
    let mayRenew = true;
    for (let count = 1; ; count += 1) {
      const authorization = this.#connection.authorization();
      const answer = await this.#attempt(call, authorization, signal);
      if (answer.ok || signal.aborted || count === MAX_ATTEMPTS) return answer;
      if (mayRenew && answer.status === 401 && this.#connection.authorization() !== authorization) {
        // At once, with the token that has replaced the refused one meanwhile.
        mayRenew = false;
        continue;
      }
      const wait = waitOf(call.verb, answer);
      if (wait === undefined || this.#clock.now() + wait >= deadline) return answer;
      await sleep(this.#clock, wait, signal);
    }
  }

  async #attempt(
    { verb, path, mergePatch }: ApiCall,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<ApiAnswer> {
    try {
      const method = verb === "patch" ? "PATCH" : "GET";
      const response = await this.#connection.send({ method, path, authorization, mergePatch, signal });
      const json = jsonOf(await wholeText(response.body, this.#maxResponseBytes));
      if (response.status !== 200) return failureOf(response.status, json, response.retryAfter);
      return json === undefined
        ? unavailable("answered something that is not JSON")
        : { ok: true, body: json };
    } catch (error) {
      return signal.aborted ? unavailable("did not answer in time") : failureOfExchange(error);
    }
  }

  #told(verb: ApiVerb, startedAt: number, outcome: ApiExchange["outcome"]): void {
    this.#observe?.({ verb, outcome, seconds: (this.#clock.now() - startedAt) / 1000 });
  }
}

/** @throws UnusableFile when a file of the credentials can't be used at the start. */
export const openKubernetesClient = (options: KubernetesClientOptions): KubernetesClient =>
  new RestClient(options);
