// SPDX-License-Identifier: Apache-2.0
// Reads secrets: callers' identical calls as one, from the cache or through the serving child, again where the token changed.
import { type BoundedQueue, createBoundedQueue } from "../../../queue.ts";
import type { Clock } from "../../../time.ts";
import { type ReadResult, type Unavailable, unavailable } from "../../store.ts";
import type { TokenView } from "../answers.ts";
import type { Operation } from "../messages.ts";
import { type CallAnswer, OUT_OF_TURN } from "./child-watch.ts";
import type { Supervisor } from "./supervisor.ts";
import type { SeenAnswer } from "./token-child.ts";
import { mayHide } from "./write-confirmation.ts";

/** The caller's time is over. Another try is worth while after about a load of the token, which took so many milliseconds. */
export const tookTooLong = (lastLoadMs: number): Unavailable => {
  const seconds = Math.ceil(lastLoadMs / 1000);
  return unavailable("TIMEOUT", "the token did not answer in time", Math.max(1, Math.min(60, seconds)));
};

/** What is at a path, or below a prefix, kept changing. */
export const keptChanging = (place: string): Unavailable =>
  unavailable("TOKEN_UNAVAILABLE", `${place}: the token kept changing while it was read`, 1);

type Shared<T> = { result: Promise<T>; waiting: number; abandon: AbortController };

type CoalescedCall<T> = {
  /** Callers with the same key share one call. Undefined: never shared. */
  key: string | undefined;
  /** Makes the call. Its signal aborts when nobody waits for it any more. */
  start: (signal: AbortSignal) => Promise<T>;
  /** Milliseconds from now until `late` is the answer. */
  deadlineMs: number;
  late: () => T;
  signal?: AbortSignal | undefined;
};

/** Given at the end of every call: without a reason of its own an abort makes an exception, stack and all. */
const ABANDONED = "nobody waits for it";

/** Identical calls in flight as one. The result never takes longer than its caller's deadline, whatever the token does. */
export const createCoalescedCalls = <T>(clock: Clock) => {
  const underWay = new Map<string, Shared<T>>();

  const begin = ({ key, start }: CoalescedCall<T>): Shared<T> => {
    const abandon = new AbortController();
    const shared: Shared<T> = { result: start(abandon.signal), waiting: 0, abandon };
    if (key === undefined) return shared;
    underWay.set(key, shared);
    const forget = (): void => {
      if (underWay.get(key) === shared) underWay.delete(key);
    };
    shared.abandon.signal.addEventListener("abort", forget);
    void shared.result.finally(forget);
    return shared;
  };

  return (options: CoalescedCall<T>): Promise<T> => {
    const shared = (options.key === undefined ? undefined : underWay.get(options.key)) ?? begin(options);
    shared.waiting += 1;
    const { promise, resolve } = Promise.withResolvers<T>();
    let left = false;
    const leave = (answer: T | Promise<T>): void => {
      if (left) return;
      left = true;
      stopTimer();
      options.signal?.removeEventListener("abort", giveUp);
      shared.waiting -= 1;
      resolve(answer);
      if (shared.waiting === 0) shared.abandon.abort(ABANDONED);
    };
    const giveUp = (): void => leave(options.late());
    const stopTimer = clock.after(options.deadlineMs, giveUp);
    options.signal?.addEventListener("abort", giveUp);
    void shared.result.then(leave);
    if (options.signal?.aborted === true) giveUp();
    return promise;
  };
};

type TimedOutReads = {
  /** When a fresh view of `path` was first asked for in vain; `now` where it never was, or the repeat comes too late. */
  since(path: string, now: number): number;
  /** A fresh read that came at `asked` ran out of time; a repeat counts as one until `until`. */
  add(path: string, asked: number, until: number): void;
  answered(path: string): void;
};

type TimedOutRead = { first: number; until: number };

/**
 * Fresh reads that timed out, of at most `capacity` paths, so that a repeat counts from the first request and does not start over
 * for ever.
 */
export const createTimedOutReads = (capacity = 10_000): TimedOutReads => {
  const reads = new Map<string, TimedOutRead>();
  const live = (path: string, now: number): TimedOutRead | undefined => {
    const read = reads.get(path);
    return read !== undefined && now <= read.until ? read : undefined;
  };
  return {
    since: (path, now) => live(path, now)?.first ?? now,
    add: (path, asked, until) => {
      const first = live(path, asked)?.first ?? asked;
      reads.delete(path); // to the end: the oldest is the first
      reads.set(path, { first, until });
      for (const oldest of reads.keys()) {
        if (reads.size <= capacity) break;
        reads.delete(oldest);
      }
    },
    answered: (path) => {
      reads.delete(path);
    },
  };
};

/** Calls of a lane that may wait for the token; one more is refused at once. */
const CAPACITY = 1_000;
/** How often a call is made again because the token changed under it. */
const STALE_TRIES = 3;

const TOO_MANY = unavailable("TIMEOUT", "too many calls are waiting for the token", 1);

/** What could not be asked was seen by no view. */
const unseen = (answer: Unavailable): SeenAnswer => {
  return { answer, loadedSince: Number.NEGATIVE_INFINITY, live: true };
};

/** Whether the answer stands: not where it is doubtful and a live module has not been listed since the call was asked for. */
const isSettled = ({ answer, loadedSince, live }: SeenAnswer, asked: number, isDoubtful: boolean): boolean =>
  answer.kind !== "stale" && (!isDoubtful || !live || loadedSince >= asked);

/** A read or a list that was `asked` for at a time of the clock. */
type TokenCall = { operation: Extract<Operation, { type: "read" | "list" }>; asked: number };
type Lane = BoundedQueue<TokenCall, SeenAnswer>;

type TokenCallsOptions = {
  supervisor: Pick<Supervisor, "acquire" | "refreshedSince">;
  clock: Pick<Clock, "now">;
  /** Told whenever `length` may be another. */
  changed: () => void;
};

/**
 * Reads and lists on their way to the child that serves, made again where the token changed meanwhile. They have a lane each: a
 * list, which takes long on a large token, holds up no read.
 */
export class TokenCalls {
  readonly #options: TokenCallsOptions;
  readonly #lanes: Readonly<Record<TokenCall["operation"]["type"], Lane>>;

  constructor(options: TokenCallsOptions) {
    this.#options = options;
    const lane = (): Lane => createBoundedQueue(CAPACITY, (call) => this.#perform(call), options.changed);
    this.#lanes = { read: lane(), list: lane() };
  }

  /** How many calls wait or run. */
  get length(): number {
    return this.#lanes.read.length + this.#lanes.list.length;
  }

  /** Makes the call; on a live module, a doubtful answer has to be seen in a view that is newer than the call. */
  async ask(
    call: TokenCall,
    signal: AbortSignal,
    isDoubtful: (answer: CallAnswer) => boolean = () => false,
  ): Promise<CallAnswer> {
    const { supervisor, clock } = this.#options;
    const { operation, asked } = call;
    let since = asked;
    for (let tries = 1; ; tries += 1) {
      const seen = await (this.#lanes[operation.type].submit(call, signal) ?? unseen(TOO_MANY));
      const { answer } = seen;
      if (signal.aborted || isSettled(seen, asked, isDoubtful(answer))) return answer;
      if (tries > STALE_TRIES) return { kind: "stale" };
      if (answer.kind === "stale") since = clock.now();
      const failed = await supervisor.refreshedSince(since, true);
      if (failed !== undefined) return failed;
    }
  }

  async #perform({ operation, asked }: TokenCall): Promise<SeenAnswer> {
    const child = await this.#options.supervisor.acquire(asked);
    return "kind" in child ? unseen(child) : child.call(operation);
  }
}

/** What was asked for at a time of the clock. */
type AskedRead = { path: string; asked: number };

/** What reads and lists are made through. */
export type SecretReadsOptions = {
  supervisor: Pick<Supervisor, "acquire" | "refreshedSince" | "serving" | "lastLoadMs">;
  calls: Pick<TokenCalls, "ask">;
  clock: Clock;
  /** How long a caller waits. */
  timeoutMs: number;
};

const hidden = ({ shown }: TokenView): Unavailable =>
  unavailable(
    "TOKEN_UNAVAILABLE",
    `the token has ${shown?.objects} objects or more, and its module shows no more: what is not shown can't be told from what is absent. Delete keys, certificates or secrets`,
    60,
  );

const resultOf = (path: string, answer: CallAnswer): ReadResult => {
  switch (answer.kind) {
    case "found": {
      const { keys, ...rest } = answer;
      return { ...rest, data: new Map(keys) };
    }
    case "absent":
    case "unavailable":
      return answer;
    case "invalid":
      return unavailable(answer.code ?? "STORAGE_INVALID", answer.message, 60);
    case "stale":
      return keptChanging(path);
    default:
      return OUT_OF_TURN;
  }
};

/** Whether the read may have missed an object that was made or replaced meanwhile. */
const isDoubtful = ({ kind }: CallAnswer): boolean => kind === "absent" || kind === "invalid";

/** Reads of one secret, fresh or not. */
export class SecretReads {
  readonly #options: SecretReadsOptions;
  readonly #coalesced;
  readonly #timedOut = createTimedOutReads();

  constructor(options: SecretReadsOptions) {
    this.#options = options;
    this.#coalesced = createCoalescedCalls<ReadResult>(options.clock);
  }

  /** What the path holds. `fresh` asks for a view of the token that was loaded after the call. */
  async read(read: AskedRead, fresh: boolean, signal: AbortSignal | undefined): Promise<ReadResult> {
    const { supervisor, clock, timeoutMs } = this.#options;
    const result = await this.#coalesced({
      key: fresh ? undefined : read.path,
      start: (abandoned) => (fresh ? this.#readFresh(read, abandoned) : this.#readNow(read, abandoned)),
      deadlineMs: timeoutMs,
      late: () => tookTooLong(supervisor.lastLoadMs()),
      signal,
    });
    if (fresh && result.kind === "unavailable" && result.code === "TIMEOUT") {
      const until = clock.now() + result.retryAfterSeconds * 1000 + 2 * timeoutMs;
      this.#timedOut.add(read.path, read.asked, until);
    }
    return result;
  }

  async #readFresh(read: AskedRead, signal: AbortSignal): Promise<ReadResult> {
    const { supervisor } = this.#options;
    const isCached = supervisor.serving()?.view?.cache === "cached";
    const since = isCached ? this.#timedOut.since(read.path, read.asked) : read.asked;
    const failed = await supervisor.refreshedSince(since);
    if (failed !== undefined) return failed;
    const result = await this.#readNow(read, signal);
    if (!signal.aborted) this.#timedOut.answered(read.path);
    return result;
  }

  /** From the cache where the module caches: the token is not touched, and nothing that loads or writes is waited for. */
  async #readNow(read: AskedRead, signal: AbortSignal): Promise<ReadResult> {
    const child = await this.#options.supervisor.acquire(read.asked);
    if ("kind" in child) return child;
    if (child.view?.cache !== "cached") return this.#readThrough(read, signal);
    const result = child.secrets.read(read.path);
    return result.kind === "absent" && mayHide(child.view) ? hidden(child.view) : result;
  }

  async #readThrough({ path, asked }: AskedRead, signal: AbortSignal): Promise<ReadResult> {
    const call = { operation: { type: "read", path }, asked } as const;
    return resultOf(path, await this.#options.calls.ask(call, signal, isDoubtful));
  }
}
