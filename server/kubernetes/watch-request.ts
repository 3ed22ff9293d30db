// SPDX-License-Identifier: Apache-2.0
// One watch at the API server, from its opening to its end.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { jsonOf } from "../json.ts";
import type { Clock } from "../time.ts";
import {
  type ApiFailure,
  failureOf,
  failureOfConnection,
  failureOfEvent,
  unavailable,
} from "./api-failure.ts";
import type { ApiConnection } from "./connection.ts";
import { lines, TooLong, wholeText } from "./response-body.ts";

export type ApiEvent = {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: unknown;
};

export type ApiWatch = {
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

export type WatchLimits = {
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

/** Never throws for what the server or the network does. */
export const watchOnce = async (
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
