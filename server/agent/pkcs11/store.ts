// SPDX-License-Identifier: Apache-2.0
// The secret store on a PKCS#11 token: what a read, a list and a look at the token mean in terms of calls to the child.
import { randomBytes } from "node:crypto";
import { type Clock, monotonicClock } from "../../clock.ts";
import {
  type InfoResult,
  type ListResult,
  type ReadResult,
  type SecretStore,
  type Unavailable,
  unavailable,
} from "../store.ts";
import { createCallLane } from "./call-lane.ts";
import { createFreshDebts } from "./fresh-debts.ts";
import { createJoinedCalls } from "./joined-calls.ts";
import type { Answer, Configure, Operation } from "./messages.ts";
import { createPinGuard } from "./pin-guard.ts";
import { createStallLimits } from "./stall-limits.ts";
import { createSupervisor, type TokenEvents } from "./supervisor.ts";
import { type SeenAnswer, startTokenChild } from "./token-child.ts";

export type Pkcs11StoreOptions = {
  /** PKCS11_*: which module, which token, where its PIN is, and whether the module caches. */
  pkcs11: Omit<Configure, "type" | "pinKey">;
  operationTimeoutMs: number;
  refreshIntervalMs: number;
  events: TokenEvents & { queueLength(length: number): void };
  /** The environment of the child process. */
  env?: NodeJS.ProcessEnv;
  clock?: Clock;
};

/** Calls that may wait for the token; one more is refused at once. */
const QUEUE_CAPACITY = 1_000;
/** How often a read or list starts over because the token changed under it. */
const STALE_TRIES = 3;

/** An answer with the view that it was given from; what could not be asked was seen by none. */
type Reply = SeenAnswer;
const unseen = (answer: Unavailable): Reply => ({
  answer,
  loadedSince: Number.NEGATIVE_INFINITY,
  live: true,
});

/** A store whose child process is started at once. */
export const createPkcs11Store = (options: Pkcs11StoreOptions): SecretStore => {
  const { operationTimeoutMs } = options;
  const clock = options.clock ?? monotonicClock;
  const config: Configure = { type: "configure", ...options.pkcs11, pinKey: randomBytes(32) };
  const guard = createPinGuard();
  const limits = createStallLimits(operationTimeoutMs);
  const env = options.env ?? process.env;
  const supervisor = createSupervisor({
    startChild: () => startTokenChild({ config, operationTimeoutMs, clock, guard, limits, env }),
    clock,
    refreshIntervalMs: options.refreshIntervalMs,
    longestSpacingMs: operationTimeoutMs / 4,
    events: options.events,
  });
  const debts = createFreshDebts();

  type Call = { operation: Operation; asked: number };
  const perform = async ({ operation, asked }: Call): Promise<Reply> => {
    const child = await supervisor.acquire(asked);
    if ("kind" in child) return unseen(child);
    const reply = await child.call(operation);
    const { answer } = reply;
    if (answer.kind !== "fault") return reply;
    const reason = unavailable(
      "TOKEN_UNAVAILABLE",
      `the token failed: ${answer.call} returned ${answer.ckr}`,
    );
    supervisor.fault(child, reason);
    return unseen(reason);
  };
  const changed = (): void => options.events.queueLength(reads.length + lists.length);
  const reads = createCallLane<Call, Reply>(QUEUE_CAPACITY, perform, () => changed());
  const lists = createCallLane<Call, Reply>(QUEUE_CAPACITY, perform, () => changed());
  const joinReads = createJoinedCalls<ReadResult>(clock);
  const joinLists = createJoinedCalls<ListResult>(clock);
  const joinInfos = createJoinedCalls<InfoResult>(clock);

  const full = (): Unavailable => unavailable("TIMEOUT", "too many calls are waiting for the token", 1);
  const late = (): Unavailable => {
    const seconds = Math.ceil(supervisor.lastLoadMs() / 1000);
    return unavailable("TIMEOUT", "the token did not answer in time", Math.max(1, Math.min(60, seconds)));
  };
  const isLive = (): boolean => supervisor.serving()?.view?.cache !== "cached";

  /** Makes the call; on a live module, `again` decides whether the answer has to be seen in a newer view first. */
  const ask = async (
    lane: typeof reads,
    operation: Operation,
    asked: number,
    signal: AbortSignal,
    again: (answer: Answer | Unavailable) => boolean,
  ): Promise<Answer | Unavailable> => {
    let since = asked;
    for (let tries = 1; ; tries += 1) {
      const { answer, loadedSince, live } = await (lane.submit({ operation, asked }, signal) ??
        unseen(full()));
      const settled = answer.kind !== "stale" && (!again(answer) || !live || loadedSince >= asked);
      if (settled || signal.aborted) return answer;
      if (tries > STALE_TRIES) return { kind: "stale" };
      if (answer.kind === "stale") since = clock.now();
      const failed = await supervisor.refreshedSince(since, true);
      if (failed !== undefined) return failed;
    }
  };

  const restless = (path: string): Unavailable =>
    unavailable("TOKEN_UNAVAILABLE", `${path}: the token kept changing while it was read`, 1);
  const outOfTurn = (): Unavailable => unavailable("TOKEN_UNAVAILABLE", "the child answered out of turn", 1);

  const readOnce = async (path: string, asked: number, signal: AbortSignal): Promise<ReadResult> => {
    const reply = await ask(reads, { type: "read", path }, asked, signal, ({ kind }) =>
      ["absent", "invalid"].includes(kind),
    );
    switch (reply.kind) {
      case "found":
        return { kind: "found", data: new Map(reply.keys), checksum: reply.checksum, version: reply.version };
      case "absent":
      case "unavailable":
        return reply;
      case "invalid":
        return unavailable("STORAGE_INVALID", reply.message, 60);
      case "stale":
        return restless(path);
      default:
        return outOfTurn();
    }
  };

  const readFresh = async (path: string, asked: number, signal: AbortSignal): Promise<ReadResult> => {
    const failed = await supervisor.refreshedSince(isLive() ? asked : debts.since(path, asked));
    if (failed !== undefined) return failed;
    const result = await readOnce(path, asked, signal);
    if (!signal.aborted) debts.paid(path);
    return result;
  };

  return {
    read: async (path, { fresh = false, signal } = {}) => {
      const asked = clock.now();
      const result = await joinReads({
        key: fresh ? undefined : path,
        start: (abandoned) => (fresh ? readFresh(path, asked, abandoned) : readOnce(path, asked, abandoned)),
        deadlineMs: operationTimeoutMs,
        late,
        signal,
      });
      if (fresh && result.kind === "unavailable" && result.code === "TIMEOUT") {
        debts.owe(path, asked, clock.now() + result.retryAfterSeconds * 1000 + 2 * operationTimeoutMs);
      }
      return result;
    },
    list: (prefix, { signal } = {}) => {
      const asked = clock.now();
      const start = async (abandoned: AbortSignal): Promise<ListResult> => {
        if (isLive()) {
          const failed = await supervisor.refreshedSince(asked, true);
          if (failed !== undefined) return failed;
        }
        const reply = await ask(lists, { type: "list", prefix }, asked, abandoned, () => false);
        if (reply.kind === "listed" || reply.kind === "unavailable") return reply;
        return reply.kind === "stale" ? restless(prefix) : outOfTurn();
      };
      return joinLists({ key: prefix, start, deadlineMs: operationTimeoutMs, late, signal });
    },
    info: () => {
      const asked = clock.now();
      const start = async (): Promise<InfoResult> => {
        const child = await supervisor.acquire(asked);
        if ("kind" in child) return child;
        if (child.view === undefined) return outOfTurn();
        const viewAgeMs = Math.round(clock.now() - child.loadedSince);
        return { kind: "info", module: options.pkcs11.module, viewAgeMs, ...child.view };
      };
      return joinInfos({ key: "info", start, deadlineMs: operationTimeoutMs, late });
    },
    health: supervisor.health,
    close: supervisor.close,
  };
};
