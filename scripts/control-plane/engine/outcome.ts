// SPDX-License-Identifier: Apache-2.0
// Defines the outcome of a sync step: a value, or an error whose text suits an event on the parent.
import type { ApiFailure } from "../client.ts";

/**
 * `message` goes into an event and the log. As Metacontroller's, it quotes what hooks and the API server answered.
 * `afterSeconds` is set where the hook answered 429: the sync comes again then, and no event is written.
 */
export type Fault = { ok: false; message: string; afterSeconds?: number };
export type Outcome<T> = { ok: true; value: T } | Fault;

export const ok = <T>(value: T): Outcome<T> => ({ ok: true, value });
export const fault = (message: string): Fault => ({ ok: false, message });

/** A refusal of the API server, in its words. */
export const apiFault = (doing: string, { message }: ApiFailure): Fault => fault(`${doing}: ${message}`);

/** One fault of several, each text once. */
export const joined = (faults: Fault[]): Fault | undefined => {
  const messages = [...new Set(faults.map(({ message }) => message))];
  if (messages.length === 0) return undefined;
  return fault(messages.length === 1 ? (messages[0] ?? "") : `[${messages.join(", ")}]`);
};
