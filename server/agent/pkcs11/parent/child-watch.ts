// SPDX-License-Identifier: Apache-2.0
// Watches one child process: how long its start and its calls may take, and what follows from a call that failed.
import type { Clock } from "../../../time.ts";
import { type Unavailable, unavailable } from "../../store.ts";
import type { Answer } from "../answers.ts";
import { isWrite, type Operation, type Stage } from "../messages.ts";

/** A first attach may be slow: OpenSC reads the whole card in C_Initialize. Limits never exceed this. */
const LONGEST_MS = 120_000;

/** The shortest limit of a stage that was quick before. */
const SHORTEST_MS = 1_000;

/** After so many failures in a row a stage that was quick before counts as one that has become slow. */
const STALLS_BEFORE_GROWTH = 30;

/** Starting a process can be slow on a busy machine whatever the token does. */
const BOOT_MS = 30_000;

export type StallLimits = {
  /** Milliseconds that `stage` may take from the last sign of progress. */
  limit(stage: Stage): number;
  /** A stage came to its end, or showed progress, after `ms`. */
  completed(stage: Stage, ms: number): void;
  /** A child was given up in `stage`. */
  stalled(stage: Stage): void;
};

/**
 * Limits around `operationTimeoutMs`. A stage that was completed before gets ten times its longest time, and at least a
 * second or half the timeout, so that a token which answers again is not waited for long; twice as long after every 30
 * failures in a row, for a token that has become slow for good. One that never was gets the timeout, twice as long after
 * each failure. A log-in always gets that: to give it up may cost a try of the PIN, of which there are few. To set up a token may
 * take the longest: one that is left half set up needs somebody.
 */
export const createStallLimits = (operationTimeoutMs: number): StallLimits => {
  const longest = new Map<Stage, number>();
  const stalls = new Map<Stage, number>();
  const shortest = Math.min(SHORTEST_MS, operationTimeoutMs / 2);
  return {
    limit: (stage) => {
      if (stage === "boot") return BOOT_MS;
      if (stage === "provision") return LONGEST_MS;
      const failed = stalls.get(stage) ?? 0;
      const known = longest.get(stage);
      if (stage === "login") {
        return Math.min(LONGEST_MS, Math.max(operationTimeoutMs, (known ?? 0) * 10) * 2 ** failed);
      }
      return Math.min(
        LONGEST_MS,
        known === undefined
          ? operationTimeoutMs * 2 ** failed
          : Math.max(shortest, known * 10) * 2 ** Math.floor(failed / STALLS_BEFORE_GROWTH),
      );
    },
    completed: (stage, ms) => {
      longest.set(stage, Math.max(ms, longest.get(stage) ?? 0));
      stalls.delete(stage);
    },
    stalled: (stage) => {
      stalls.set(stage, (stalls.get(stage) ?? 0) + 1);
    },
  };
};

const NEXT_STAGE: Readonly<Record<Stage, Stage>> = {
  boot: "attach",
  attach: "login",
  provision: "attach",
  login: "load",
  load: "load",
};

type StartWatchOptions = {
  clock: Clock;
  limits: StallLimits;
  /** The child has been at this stage for longer than its limit. */
  stuck: (stage: Stage) => void;
};

/** The watch, which begins at once. It tells `limits` how long each stage took. */
export class StartWatch {
  readonly #options: StartWatchOptions;
  #stage: Stage = "boot";
  #since: number;
  #stop: () => void;

  constructor(options: StartWatchOptions) {
    this.#options = options;
    this.#since = options.clock.now();
    this.#stop = this.#watch();
  }

  /** The child has the stage, or a part of loading, behind it. */
  passed(stage: Stage): void {
    this.#completed();
    this.#stage = NEXT_STAGE[stage];
    this.#since = this.#options.clock.now();
    this.#stop = this.#watch();
  }

  /** The child sets up a token, which has a time of its own. */
  provisioning(): void {
    this.stop();
    this.#stage = "provision";
    this.#since = this.#options.clock.now();
    this.#stop = this.#watch();
  }

  /** The child serves: the last stage is behind it. */
  ready(): void {
    this.#completed();
  }

  stop(): void {
    this.#stop();
  }

  #completed(): void {
    const { clock, limits } = this.#options;
    limits.completed(this.#stage, clock.now() - this.#since);
    this.stop();
  }

  #watch(): () => void {
    const { clock, limits, stuck } = this.#options;
    return clock.after(limits.limit(this.#stage), () => {
      limits.stalled(this.#stage);
      stuck(this.#stage);
    });
  }
}

/** What a caller is answered: a fault of the module is the end of the child, and reaches it as the reason of that. */
export type CallAnswer = Exclude<Answer, FaultAnswer> | Unavailable;

/** What stands for an answer that does not belong to its operation. */
export const OUT_OF_TURN = unavailable("TOKEN_UNAVAILABLE", "the child answered out of turn", 1);

type PendingCall = { operation: Operation; resolve: (answer: CallAnswer) => void };

type PendingCallsOptions = {
  clock: Clock;
  timeoutMs: number;
  /** A call has had its time. */
  late: (operation: Operation) => void;
};

/** Calls by number; the first is 1. */
export class PendingCalls {
  readonly #options: PendingCallsOptions;
  readonly #calls = new Map<number, PendingCall & { stopWatch: () => void }>();
  #lastId = 0;

  constructor(options: PendingCallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Takes a call in, whose time begins now, and answers its number. */
  add(call: PendingCall): number {
    this.#lastId += 1;
    this.#calls.set(this.#lastId, { ...call, stopWatch: this.#watch(call.operation) });
    return this.#lastId;
  }

  /** The call of this number, which is its caller's to resolve from now on; undefined where none is pending. */
  take(id: number): PendingCall | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    call?.stopWatch();
    return call;
  }

  /** A sign of life from longer work gives that work its time again, and the reads that wait for a write. */
  renew(): void {
    const isWriting = [...this.#calls.values()].some(({ operation }) => isWrite(operation));
    for (const call of this.#calls.values()) {
      if (call.operation.type === "read" && !isWriting) continue;
      call.stopWatch();
      call.stopWatch = this.#watch(call.operation);
    }
  }

  /** Answers all with `reason`. */
  end(reason: Unavailable): void {
    for (const { resolve, stopWatch } of this.#calls.values()) {
      stopWatch();
      resolve(reason);
    }
    this.#calls.clear();
  }

  #watch(operation: Operation): () => void {
    const { clock, timeoutMs, late } = this.#options;
    return clock.after(timeoutMs, () => late(operation));
  }
}

type FaultAnswer = Extract<Answer, { kind: "fault" }>;

/** `reason`: why the child ends, which all its other callers are told. `told`: what the caller of the failed call is. */
type ChildFault = { reason: Unavailable; told: Unavailable };

/**
 * After a fault nobody knows what state the module is in, so that the child ends whatever it was asked for. A change of the PIN
 * is no exception, although the next child has to log in, which is a try where another program has changed the PIN: the call
 * that failed was a try as well, of which the token has said nothing, and only a log-in settles which PIN it has now. The PIN
 * guard counts both. What the token refuses with a reason (`refused`, `mismatch`, `locked` of a `pin` answer: the new PIN does
 * not fit, or PINs can't be changed here) is no fault: the session is as good as before, and the child goes on. Nor is a PIN in
 * use that the token finds wrong: that child ends as one does whose log-in is refused, and the guard has no other try it.
 */
export const childFaultOf = ({ type }: Pick<Operation, "type">, { call, ckr }: FaultAnswer): ChildFault => {
  const what = type === "refresh" ? "the token could not be listed" : "the token failed";
  const reason = unavailable("TOKEN_UNAVAILABLE", `${what}: ${call} returned ${ckr}`);
  return { reason, told: toldOf(type) ?? reason };
};

/** Where the caller has to do something about it that another one has not. */
const toldOf = (type: Operation["type"]): Unavailable | undefined => {
  switch (type) {
    case "setPin":
      return unavailable(
        "TOKEN_UNAVAILABLE",
        "the token failed while its PIN was changed; try both PINs with care",
      );
    case "repair":
      return unavailable("TOKEN_UNAVAILABLE", "the token failed while it was repaired; run it again", 1);
    default:
      return undefined;
  }
};
