// SPDX-License-Identifier: Apache-2.0
// Keeps the memory of the Toggles current: a list, then a watch from its version, again and again.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import type { Clock } from "../time.ts";
import { sleep } from "../time.ts";
import { type ApiFailure, unavailable } from "./api-failure.ts";
import type { KubernetesClient, WatchEnd } from "./client.ts";
import type { ToggleMemory } from "./toggle-memory.ts";
import type { WatchState } from "./toggles.ts";

const List = Type.Object({
  metadata: Type.Object({ resourceVersion: Type.String({ minLength: 1 }) }),
  items: Type.Array(Type.Unknown()),
});

/** `up` and `down` alternate; `relist` is any list after the first. */
export type ToggleWatchEvent = "up" | "down" | "relist" | "unreadable";

export type ToggleWatchOptions = {
  readonly client: KubernetesClient;
  /** Of the collection, without a query. */
  readonly path: string;
  readonly memory: ToggleMemory;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Milliseconds since the epoch, for people to read. */
  readonly wallClock: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly silentMs: number;
  readonly onWatch?: (event: ToggleWatchEvent) => void;
};

export type ToggleWatch = {
  state(): WatchState;
  /** Resolves after the first list, or when it is closed before. */
  readonly listed: Promise<void>;
  /** Lists and watches anew, because what is shown may be old; `what` completes "the API server …". */
  renew(what: string): void;
  close(): Promise<void>;
};

const FIRST_PAUSE_MS = 1000;
/** A list is cheap, there is one bot, and until it has come a chat gets no states. */
const LONGEST_PAUSE_MS = 5_000;
/** A watch that lived so long was none that fails at once: the next one needs no pause. */
const STEADY_MS = 1000;
/** How long a watch may last; the rest is drawn, so that the watches of many clients don't end together. */
const SHORTEST_WATCH_S = 240;
const WATCH_SPREAD_S = 240;

/** Why it is down. */
type Down = Pick<ApiFailure, "what" | "kind">;

/** Milliseconds before attempt number `failures` (from 1): 1 s up to what has doubled, 5 s at most. */
export const watchPause = (failures: number, random: number): number => {
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
  return FIRST_PAUSE_MS + random * (longest - FIRST_PAUSE_MS);
};

export const startToggleWatch = (options: ToggleWatchOptions): ToggleWatch => {
  const { client, path, memory, logger, clock, wallClock, random, silentMs, onWatch } = options;
  const closing = new AbortController();
  const first = Promise.withResolvers<void>();
  let renewing = new AbortController();
  let isUp = false;
  let down: Down & { since: number } = {
    what: "has not been asked for its Toggles yet",
    kind: "unavailable",
    since: wallClock(),
  };
  let failures = 0;
  let isFirst = true;
  let openedAt: number | undefined;

  const goDown = ({ what, kind }: Down): void => {
    if (isUp) {
      isUp = false;
      down = { what, kind, since: wallClock() };
      onWatch?.("down");
      logger.warn({ fault: what }, "Toggles are not watched");
    } else if (down.what !== what) {
      down = { ...down, what, kind };
      logger.warn({ fault: what }, "Toggles are not watched");
    }
  };
  const goUp = (): void => {
    openedAt = clock.now();
    if (isUp) return;
    isUp = true;
    onWatch?.("up");
    logger.info({ secondsDown: Math.round((wallClock() - down.since) / 1000) }, "Toggles are watched");
  };

  /**
   * Every watch starts from a new list and never from the last version seen: one that a restored or replaced API server
   * has not come to yet would show nothing and look healthy. A namespace's Toggles are few.
   */
  const listAndWatch = async (): Promise<WatchEnd> => {
    const signal = AbortSignal.any([closing.signal, renewing.signal]);
    const answer = await client.request({ verb: "list", path, signal: closing.signal });
    if (!answer.ok) return answer;
    if (!Value.Check(List, answer.body)) return unavailable("answered something that is not a list");
    const { items, metadata } = answer.body;
    if (closing.signal.aborted) return { ok: true, end: "aborted" };
    memory.replace(items);
    if (!isFirst) onWatch?.("relist");
    isFirst = false;
    first.resolve();
    const query = new URLSearchParams({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: metadata.resourceVersion,
      timeoutSeconds: String(SHORTEST_WATCH_S + Math.floor(random() * WATCH_SPREAD_S)),
    });
    return client.watch({
      path: `${path}?${query}`,
      signal,
      silentMs,
      onOpen: goUp,
      onEvent({ type, object }) {
        if (type === "DELETED") memory.remove(object);
        else if (type !== "BOOKMARK") memory.put(object);
      },
    });
  };

  /** The pause before the next round, in milliseconds. A watch that lived for a while is followed by a list at once. */
  const pauseAfter = (end: WatchEnd, wasSteady: boolean): number => {
    const isRenewed = renewing.signal.aborted;
    if (!end.ok) goDown(end);
    else if (end.end === "silent") goDown(unavailable("has been silent for too long"));
    else if (isRenewed) goDown(unavailable(String(renewing.signal.reason)));
    else if (!wasSteady) goDown(unavailable("ended the watch at once"));
    const asked = end.ok ? 0 : (end.retryAfterMs ?? 0);
    if (wasSteady) failures = 0;
    if (wasSteady || isRenewed) return asked;
    failures += 1;
    return Math.max(watchPause(failures, random()), asked);
  };

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      openedAt = undefined;
      const end = await listAndWatch();
      if (closing.signal.aborted) return;
      const wasSteady = openedAt !== undefined && clock.now() - openedAt >= STEADY_MS;
      const ms = pauseAfter(end, wasSteady);
      renewing = new AbortController();
      if (ms > 0) await sleep(clock, ms, closing.signal);
    }
  };
  const running = run();

  return {
    state() {
      if (isUp) return { ok: true };
      const message = `the API server ${down.what} (since ${new Date(down.since).toISOString()})`;
      const { kind } = down;
      return { ok: false, message, why: kind === "forbidden" || kind === "not-found" ? kind : "unavailable" };
    },
    listed: first.promise,
    renew: (what) => renewing.abort(what),
    async close() {
      closing.abort();
      first.resolve();
      await running;
    },
  };
};
