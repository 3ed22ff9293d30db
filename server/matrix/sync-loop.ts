// SPDX-License-Identifier: Apache-2.0
// Runs the sync loop: processes and stores each sync before the next request acknowledges it to the homeserver.
import type { Logger } from "pino";
import type { BotStore, When } from "../bot/store.ts";
import { createBackoff, type Sleep } from "../time.ts";
import type { AuthorizedRequests } from "./authorized-requests.ts";
import { describeFault, type MatrixFault } from "./http.ts";
import { RequestFailed, retryAfterOf } from "./request-failed.ts";
import { SYNC_FILTER } from "./sync-filter.ts";
import { type SyncResponse, syncResponse } from "./sync-response.ts";

/** `failed` names why: the kind of a MatrixFault, `malformed`, or `inside` for a fault of ours. */
export type SyncOutcome = "ok" | "malformed" | "inside" | MatrixFault["kind"];

type Outcome = { outcome: SyncOutcome; what?: string; retryAfterMs?: number | undefined };

export type SyncLoopOptions = {
  requests: Pick<AuthorizedRequests, "request">;
  store: Pick<BotStore, "get" | "put">;
  /** Takes in one sync. When it throws, the same sync comes again. `since`: the position that it goes on from. */
  process(sync: SyncResponse, syncToken: string | undefined): Promise<void>;
  /** Writes all that the sync changed, and what `also` writes, in one transaction. */
  flush(also: () => void, when: When): Promise<void>;
  /** No longer than this may the next sync wait for news; undefined: as long as usual. Milliseconds. */
  waitAtMost?: () => number | undefined;
  /** Milliseconds, monotonic. */
  now: () => number;
  sleep: Sleep;
  /** Ends the loop, and lets nothing begin any more. */
  signal: AbortSignal;
  logger: Pick<Logger, "info" | "warn" | "error">;
  onSync?: (outcome: SyncOutcome) => void;
  /** It works again after `failures` failures in a row. */
  onReconnect?: (failures: number) => void;
  /** It did not work for all the retries: the loop has ended. */
  onGiveUp: () => void;
};

export type SyncLoop = {
  start(): void;
  /** When the last good sync was, on the clock of `now`; undefined before the first. */
  lastGoodSync(): number | undefined;
  /** Ends the sync that waits; one that is being processed is finished and written first. */
  close(): Promise<void>;
};

/** How long the homeserver may wait for news. */
const WAIT_MS = 30_000;
/** What it may take beyond that; the first answer of an account with many rooms takes long. */
const ANSWER_MS = 20_000;
const FIRST_ANSWER_MS = 180_000;

const SYNC_TOKEN = "token";

/** Waits `timeout` milliseconds for news. */
const syncRequest = (timeout: number, syncToken: string | undefined) => ({
  method: "GET" as const,
  path: "/_matrix/client/v3/sync",
  query: { filter: JSON.stringify(SYNC_FILTER), timeout, since: syncToken },
  timeoutMs: timeout + (syncToken === undefined ? FIRST_ANSWER_MS : ANSWER_MS),
});

const failed = (fault: MatrixFault): Outcome => ({
  outcome: fault.kind,
  what: describeFault(fault),
  retryAfterMs: retryAfterOf(fault),
});

/**
 * The next request has the homeserver forget the to-device messages, which hold keys, and nothing else: all other things come again
 * from a position that a power failure took back. The first position may not be lost: without one, what was missed is history.
 */
const whenToWrite = ({ to_device: messages }: SyncResponse, syncToken: string | undefined): When =>
  syncToken === undefined || (messages?.events?.length ?? 0) > 0 ? "now" : "soon";

/** Syncs from the position that the store has: asks once, and takes in what comes, which moves the position on. */
const createSync = (
  options: SyncLoopOptions,
  signal: AbortSignal,
): ((timeout: number) => Promise<Outcome>) => {
  const { requests, store, logger } = options;
  const bytes = store.get("sync", SYNC_TOKEN);
  let syncToken = bytes && Buffer.from(bytes).toString("utf8");

  const takeIn = async (sync: SyncResponse): Promise<Outcome> => {
    try {
      await options.process(sync, syncToken);
      await options.flush(() => store.put("sync", SYNC_TOKEN, sync.next_batch), whenToWrite(sync, syncToken));
      syncToken = sync.next_batch;
      return { outcome: "ok" };
    } catch (error) {
      if (error instanceof RequestFailed) return failed(error.fault);
      logger.error({ err: error }, "a sync could not be taken in");
      return { outcome: "inside", what: "sent what could not be taken in" };
    }
  };

  return async (timeout: number): Promise<Outcome> => {
    const answer = await requests.request({ ...syncRequest(timeout, syncToken), signal });
    if (!answer.ok) return failed(answer);
    if (syncResponse.Check(answer.body)) return takeIn(answer.body);
    return { outcome: "malformed", what: "answered to a sync in a shape that is not known" };
  };
};

export const createSyncLoop = (options: SyncLoopOptions): SyncLoop => {
  const { now, sleep, logger, onSync } = options;
  const closing = new AbortController();
  const signal = AbortSignal.any([closing.signal, options.signal]);
  const sync = createSync(options, signal);
  const backoff = createBackoff();
  let lastGood: number | undefined;
  let loop: Promise<void> | undefined;

  /** After a failure, and at the start, it is good to know soon that it works. */
  const wait = (): number =>
    lastGood === undefined || backoff.failures > 0 ? 0 : Math.min(WAIT_MS, options.waitAtMost?.() ?? WAIT_MS);

  const succeeded = (): void => {
    const failures = backoff.succeeded();
    lastGood = now();
    if (failures === 0) return;
    logger.info({ failures }, "the homeserver is there again");
    options.onReconnect?.(failures);
  };

  /** Milliseconds until the next try; undefined when there is none any more. */
  const delayAfter = ({ what, retryAfterMs }: Outcome): number | undefined => {
    const delayMs = backoff.failed(retryAfterMs);
    if (delayMs === undefined) {
      logger.error({ retries: backoff.failures - 1 }, `giving up: the homeserver ${what}`);
    } else logger.warn({ retry: backoff.failures, delayMs }, `the homeserver ${what}; trying again`);
    return delayMs;
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const synced = await sync(Math.ceil(wait()));
      const isGood = synced.outcome === "ok";
      if (signal.aborted && !isGood) return;
      onSync?.(synced.outcome);
      if (isGood) {
        succeeded();
        continue;
      }
      const delayMs = delayAfter(synced);
      if (delayMs === undefined) return options.onGiveUp();
      await sleep(delayMs, signal);
    }
  };

  return {
    start() {
      loop ??= run();
    },
    lastGoodSync: () => lastGood,
    async close() {
      closing.abort();
      await loop;
    },
  };
};
