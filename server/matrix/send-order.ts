// SPDX-License-Identifier: Apache-2.0
// Orders what the bot's account sends: one at a time in each room, the most urgent first, and nothing before a limit of the
// homeserver is over, which counts for the account and not for a room. What is optional waits, and nothing waits for it.
import type { Sleep } from "../time.ts";
import { RequestFailed } from "./request-failed.ts";

/** The more urgent first. */
export const URGENCY = { answer: 0, news: 1, lastEdit: 2, edit: 3, optional: 4 } as const;
type Urgency = (typeof URGENCY)[keyof typeof URGENCY];

/** What a try came to: what was sent, or for how long the homeserver wants to be left alone (milliseconds from now). */
export type Sent<T> = { readonly value: T } | { readonly limitedFor: number };

export type Job<T> = {
  readonly room: string;
  /** As it is when its turn may come. */
  urgency(): Urgency;
  /** Sends it; called again after a limit. */
  send(): Promise<Sent<T>>;
};

export type SendOrder = {
  /** Undefined where it was optional, and the homeserver limits what the account sends. @throws what `send` throws */
  run<T>(job: Job<T>): Promise<T | undefined>;
};

/**
 * After a limit so long the account is taken for short of messages: what is optional is left out, edits are sent only where
 * they are the last, and one message goes at a time, so that none goes ahead of a more urgent one.
 */
const SHORT_MS = 60_000;

type Waiting = {
  readonly place: number;
  readonly room: string;
  urgency(): Urgency;
  /** Answers with the limit where there is one. It never rejects. */
  send(): Promise<number | undefined>;
  leaveOut(): void;
  fail(error: unknown): void;
};

export type SendOrderOptions = {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly sleep: Sleep;
  readonly signal: AbortSignal;
};

export const createSendOrder = (options: SendOrderOptions): SendOrder => new Order(options);

class Order implements SendOrder {
  readonly #options: SendOrderOptions;
  readonly #waiting = new Set<Waiting>();
  readonly #busy = new Set<string>();
  #places = 0;
  /** Until the homeserver may be asked again. */
  #isResting = false;
  #limitedAt = Number.NEGATIVE_INFINITY;
  /** Edits wait for the end of the shortage. */
  #isHolding = false;

  constructor(options: SendOrderOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#giveUp());
  }

  run<T>(job: Job<T>): Promise<T | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
    const send = async (): Promise<number | undefined> => {
      try {
        const sent = await job.send();
        if ("limitedFor" in sent) return sent.limitedFor;
        resolve(sent.value);
      } catch (error) {
        reject(error);
      }
      return undefined;
    };
    this.#places += 1;
    const { room } = job;
    const urgency = () => job.urgency();
    this.#waiting.add({
      ...{ place: this.#places, room, urgency, send },
      leaveOut: () => resolve(undefined),
      fail: reject,
    });
    if (this.#options.signal.aborted) this.#giveUp();
    else this.#pump();
    return promise;
  }

  get #isShort(): boolean {
    return this.#options.now() - this.#limitedAt < SHORT_MS;
  }

  #pump(): void {
    this.#leaveOut();
    for (let next = this.#next(); next !== undefined; next = this.#next()) void this.#start(next);
    this.#hold();
  }

  #leaveOut(): void {
    if (!this.#isShort) return;
    for (const one of this.#waiting) {
      if (one.urgency() !== URGENCY.optional) continue;
      this.#waiting.delete(one);
      one.leaveOut();
    }
  }

  #next(): Waiting | undefined {
    if (this.#isResting || (this.#isShort && this.#busy.size > 0)) return undefined;
    const isShort = this.#isShort;
    const [next] = [...this.#waiting]
      .filter(({ room }) => !this.#busy.has(room))
      .map((waiting) => ({ waiting, urgency: waiting.urgency() }))
      .filter(({ urgency }) => !isShort || urgency < URGENCY.edit)
      .sort((a, b) => a.urgency - b.urgency || inTurn(a.urgency, a.waiting, b.waiting));
    return next?.waiting;
  }

  async #start(one: Waiting): Promise<void> {
    this.#waiting.delete(one);
    const isWaitedFor = one.urgency() !== URGENCY.optional;
    if (isWaitedFor) this.#busy.add(one.room);
    const limit = await one.send();
    if (isWaitedFor) this.#busy.delete(one.room);
    if (limit !== undefined) this.#limited(one, limit);
    this.#pump();
  }

  #limited(one: Waiting, forMs: number): void {
    const { now, sleep, signal } = this.#options;
    this.#limitedAt = now();
    this.#waiting.add(one);
    if (signal.aborted) this.#giveUp();
    if (signal.aborted || this.#isResting) return;
    this.#isResting = true;
    void sleep(forMs, signal).then(() => {
      this.#isResting = false;
      if (!signal.aborted) this.#pump();
    });
  }

  /** Has what is held back sent once the account is not short any more. */
  #hold(): void {
    const { now, sleep, signal } = this.#options;
    if (this.#isHolding || this.#isResting || this.#busy.size > 0 || this.#waiting.size === 0) return;
    this.#isHolding = true;
    void sleep(Math.max(0, this.#limitedAt + SHORT_MS - now()), signal).then(() => {
      this.#isHolding = false;
      if (!signal.aborted) this.#pump();
    });
  }

  #giveUp(): void {
    for (const one of this.#waiting) {
      one.fail(new RequestFailed({ ok: false, kind: "aborted", what: "was not waited for" }));
    }
    this.#waiting.clear();
  }
}

/** Answers and news as they came; of the edits the newest first, whose answers people look at. */
const inTurn = (urgency: Urgency, a: Waiting, b: Waiting): number =>
  urgency <= URGENCY.news ? a.place - b.place : b.place - a.place;
