// SPDX-License-Identifier: Apache-2.0
// Remembers that a crypto machine has no requests to send, until something happens that may give it one.
import type { CryptoRequest, OlmMachine } from "./olm-machine.ts";

/** What asks a machine and tells it nothing; a message that is encrypted makes no request either. */
const READS: ReadonlySet<string | symbol> = new Set([
  "encryptRoomEvent",
  "getDevice",
  "masterKey",
  "identityKeys",
  "crossSigningStatus",
  "exportCrossSigningKeys",
]);

/** The machine may want to try again by itself what failed: it is asked again after this. */
const VALID_MS = 60_000;
/** A verification goes on by itself for as long. */
const VERIFICATION_MS = 15 * 60_000;

class Quiet {
  readonly #now: () => number;
  #running = 0;
  #version = 0;
  /** When the machine was found to have none, and as of which version. */
  #found: { readonly version: number; readonly at: number } | undefined;
  #busyUntil = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  verifying(): void {
    this.#busyUntil = this.#now() + VERIFICATION_MS;
  }

  /** Makes a call that may give the machine a request, at once or until it ends. */
  call(work: () => unknown): unknown {
    this.#version += 1;
    const result = work();
    if (!(result instanceof Promise)) return result;
    this.#running += 1;
    return result.finally(() => {
      this.#running -= 1;
      this.#version += 1;
    });
  }

  async outgoing(ask: () => Promise<CryptoRequest[]>): Promise<CryptoRequest[]> {
    const version = this.#version;
    const at = this.#now();
    const isQuiet = this.#running === 0 && at >= this.#busyUntil;
    const found = this.#found;
    if (isQuiet && found?.version === version && at - found.at < VALID_MS) return [];
    const requests = await ask();
    if (isQuiet && requests.length === 0) this.#found = { version, at };
    return requests;
  }
}

/**
 * matrix-bot-sdk asks for requests before and after each message and after each sync, and the machine reads its store each time.
 * @param now milliseconds, monotonic
 */
export const quietMachine = (machine: OlmMachine, now: () => number): OlmMachine => {
  const quiet = new Quiet(now);
  return new Proxy(machine, {
    get(target, name) {
      if (name === "outgoingRequests") return () => quiet.outgoing(() => target.outgoingRequests());
      if (name === "verification") quiet.verifying();
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      const bound: (...args: unknown[]) => unknown = value.bind(target);
      return READS.has(name) ? bound : (...args: unknown[]) => quiet.call(() => bound(...args));
    },
  });
};
