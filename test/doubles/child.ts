// SPDX-License-Identifier: Apache-2.0
// Simulates a child without a process, which starts, answers and ends when a test says so.
import type { TokenView } from "../../server/agent/pkcs11/answers.ts";
import type { Operation } from "../../server/agent/pkcs11/messages.ts";
import type { CallAnswer } from "../../server/agent/pkcs11/parent/child-watch.ts";
import { createSecretCache } from "../../server/agent/pkcs11/parent/secret-cache.ts";
import type { SeenAnswer, StartFailed, TokenChild } from "../../server/agent/pkcs11/parent/token-child.ts";
import type { Unavailable } from "../../server/agent/store.ts";

/** What a child has loaded of a token with one object. */
export const viewOf = (cache: "live" | "cached"): TokenView => ({
  cache,
  token: { label: "t", manufacturer: "m", model: "m", serial: "1", firmware: "1.0" },
  freeBytes: null,
  totalBytes: null,
  objects: 1,
  damagedNames: 0,
  unreadableObjects: 0,
  invalidLabels: 0,
  publicObjects: 0,
  problems: [],
  shown: null,
  unsettled: 0,
});

export class FakeChild implements TokenChild {
  readonly pid = undefined;
  readonly secrets = createSecretCache();
  loadedSince: number;
  view: TokenView | undefined;
  killedFor: Unavailable | undefined;
  isRetired = false;
  /** How many hold it. */
  held = 0;
  readonly operations: Operation["type"][] = [];
  /** What a call is answered with. */
  answer: (operation: Operation) => CallAnswer | Promise<CallAnswer> = () => ({ kind: "stale" });
  login = Promise.resolve();
  readonly #started = Promise.withResolvers<{ kind: "ready" } | StartFailed>();
  readonly #ended = Promise.withResolvers<Unavailable>();

  constructor(loadedSince: number) {
    this.loadedSince = loadedSince;
  }

  get started(): Promise<{ kind: "ready" } | StartFailed> {
    return this.#started.promise;
  }

  get ended(): Promise<Unavailable> {
    return this.#ended.promise;
  }

  ready(view = viewOf("live")): void {
    this.view = view;
    this.#started.resolve({ kind: "ready" });
  }

  fail(reason: Unavailable, gone = false): void {
    this.#started.resolve({ kind: "failed", reason, gone });
    this.#ended.resolve(reason);
  }

  async call(operation: Operation): Promise<SeenAnswer> {
    this.operations.push(operation.type);
    const answer = await this.answer(operation);
    return { answer, loadedSince: this.loadedSince, live: this.view?.cache !== "cached" };
  }

  settledLogin(): Promise<void> {
    return this.login;
  }

  kill(reason: Unavailable): void {
    this.killedFor ??= reason;
    this.fail(reason);
  }

  retire(): void {
    this.isRetired = true;
  }

  hold(): () => void {
    this.held += 1;
    return () => {
      this.held -= 1;
    };
  }
}
