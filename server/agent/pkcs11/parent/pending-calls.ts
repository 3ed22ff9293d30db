// SPDX-License-Identifier: Apache-2.0
// Tracks the calls that a child process has not answered yet, each with a deadline.
import type { Clock } from "../../../time.ts";
import { type Unavailable, unavailable } from "../../store.ts";
import type { Answer } from "../answers.ts";
import { isWrite, type Operation } from "../messages.ts";
import type { FaultAnswer } from "./child-fault.ts";

/** What a caller is answered: a fault of the module is the end of the child, and reaches it as the reason of that. */
export type CallAnswer = Exclude<Answer, FaultAnswer> | Unavailable;

/** What stands for an answer that does not belong to its operation. */
export const OUT_OF_TURN = unavailable("TOKEN_UNAVAILABLE", "the child answered out of turn", 1);

export type PendingCall = { operation: Operation; resolve: (answer: CallAnswer) => void };

export type PendingCallsOptions = {
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
