// SPDX-License-Identifier: Apache-2.0
// Implements the secret store on a PKCS#11 token: turns reads, lists and health checks into calls to the child.
import { randomBytes } from "node:crypto";
import type { Layout } from "../../../agent-api/schema.ts";
import { createBoundedQueue } from "../../../queue.ts";
import { type Clock, monotonicClock, rfc3339 } from "../../../time.ts";
import {
  type InfoResult,
  type ListResult,
  type ReadResult,
  type SecretStore,
  type Unavailable,
  unavailable,
} from "../../store.ts";
import type { TokenView } from "../answers.ts";
import type { Configure, Operation } from "../messages.ts";
import { withProblems } from "../object-problems.ts";
import { TokenChanges } from "./changes.ts";
import { createFreshDebts } from "./fresh-debts.ts";
import { createJoinedCalls } from "./joined-calls.ts";
import { type CallAnswer, OUT_OF_TURN } from "./pending-calls.ts";
import { changePinThrough } from "./pin-change.ts";
import { createPinGuard } from "./pin-guard.ts";
import { createStallLimits } from "./stall-limits.ts";
import { Supervisor, type TokenEvents } from "./supervisor.ts";
import { type SeenAnswer, startTokenChild } from "./token-child.ts";
import { type ConfiguredLimits, createWriteLimits } from "./write-limits.ts";
import { mayHide } from "./write-outcome.ts";

export type Pkcs11StoreOptions = {
  /** PKCS11_*: which module, which token, where its PIN is, and whether the module caches. */
  pkcs11: Omit<Configure, "type" | "pinKey" | "writable">;
  /** What writes need; without it the store is read-only. */
  writes?: { layout: Layout } & ConfiguredLimits;
  operationTimeoutMs: number;
  refreshIntervalMs: number;
  events: TokenEvents & { queueLength(length: number): void };
  /** The environment of the child process. */
  env?: NodeJS.ProcessEnv;
  clock?: Clock;
  /** Told of paths whose cut writes a start has completed or undone. */
  recovered?: (paths: readonly string[]) => void;
  /** Wall clock. */
  date?: () => Date;
};

/** Calls that may wait for the token; one more is refused at once. */
const QUEUE_CAPACITY = 1_000;
/** How often a read or list starts over because the token changed under it. */
const STALE_TRIES = 3;

/** What could not be asked was seen by no view. */
const unseen = (answer: Unavailable): SeenAnswer => {
  return { answer, loadedSince: Number.NEGATIVE_INFINITY, live: true };
};

const READ_ONLY = unavailable("TOKEN_UNAVAILABLE", "the agent has no WRITE_TOKEN_FILE and is read-only", 60);

/** A store whose child process is started at once. */
export const createPkcs11Store = (options: Pkcs11StoreOptions): SecretStore => {
  const { operationTimeoutMs } = options;
  const clock = options.clock ?? monotonicClock;
  const { writes } = options;
  const config: Configure = {
    type: "configure",
    ...options.pkcs11,
    writable: writes !== undefined,
    pinKey: randomBytes(32),
  };
  const guard = createPinGuard(undefined, () => clock.now());
  const limits = createStallLimits(operationTimeoutMs);
  const env = options.env ?? process.env;
  const supervisor = new Supervisor({
    startChild: () => startTokenChild({ config, operationTimeoutMs, clock, guard, limits, env }),
    clock,
    refreshIntervalMs: options.refreshIntervalMs,
    longestSpacingMs: operationTimeoutMs / 4,
    events: {
      ...options.events,
      loaded: (objects, seconds) => {
        options.events.loaded(objects, seconds);
        tellCapacity();
        if (writes !== undefined && (supervisor.serving()?.view?.unsettled ?? 0) > 0) changes.recover();
      },
    },
  });
  const debts = createFreshDebts();

  /** Somebody asks for something, at the time that this answers. */
  const request = (): number => {
    guard.requested();
    return clock.now();
  };

  type Call = { operation: Operation; asked: number };
  const perform = async ({ operation, asked }: Call): Promise<SeenAnswer> => {
    const child = await supervisor.acquire(asked);
    if ("kind" in child) return unseen(child);
    return child.call(operation);
  };
  const changed = (): void =>
    options.events.queueLength(reads.length + lists.length + (changes?.length ?? 0));
  const reads = createBoundedQueue<Call, SeenAnswer>(QUEUE_CAPACITY, perform, () => changed());
  const lists = createBoundedQueue<Call, SeenAnswer>(QUEUE_CAPACITY, perform, () => changed());
  const writeLimits = createWriteLimits(writes ?? {}, clock);
  const changes = new TokenChanges({
    supervisor,
    clock,
    writable: writes !== undefined,
    layout: writes?.layout ?? "packed",
    limits: writeLimits,
    waitMs: operationTimeoutMs,
    timestamp: () => rfc3339(options.date?.() ?? new Date()),
    changed: () => {
      changed();
      tellCapacity();
    },
    recovered: options.recovered ?? (() => undefined),
  });
  const tellCapacity = (): void => {
    const view = supervisor.serving()?.view;
    if (view === undefined) return;
    options.events.capacity(view, writeLimits.current(view).objects?.limit ?? null);
  };
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
    queue: typeof reads,
    operation: Operation,
    asked: number,
    signal: AbortSignal,
    again: (answer: CallAnswer) => boolean,
  ): Promise<CallAnswer> => {
    let since = asked;
    for (let tries = 1; ; tries += 1) {
      const { answer, loadedSince, live } = await (queue.submit({ operation, asked }, signal) ??
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

  const readOnce = async (path: string, asked: number, signal: AbortSignal): Promise<ReadResult> => {
    const reply = await ask(reads, { type: "read", path }, asked, signal, ({ kind }) =>
      ["absent", "invalid"].includes(kind),
    );
    switch (reply.kind) {
      case "found":
        return {
          kind: "found",
          data: new Map(reply.keys),
          checksum: reply.checksum,
          version: reply.version,
          layout: reply.layout,
          metadata: reply.metadata,
        };
      case "absent":
      case "unavailable":
        return reply;
      case "invalid":
        return unavailable(reply.code ?? "STORAGE_INVALID", reply.message, 60);
      case "stale":
        return restless(path);
      default:
        return OUT_OF_TURN;
    }
  };

  /** From memory where the module caches: the token is not touched, and nothing that loads or writes is waited for. */
  const readNow = async (path: string, asked: number, signal: AbortSignal): Promise<ReadResult> => {
    const child = await supervisor.acquire(asked);
    if ("kind" in child) return child;
    if (child.view?.cache !== "cached") return readOnce(path, asked, signal);
    const result = child.memory.read(path);
    return result.kind === "absent" && mayHide(child.view) ? hidden(child.view) : result;
  };

  const hidden = ({ shown }: TokenView): Unavailable =>
    unavailable(
      "TOKEN_UNAVAILABLE",
      `the token has ${shown?.objects} objects or more, and its module shows no more: what is not shown can't be told from what is absent. Delete keys, certificates or secrets`,
      60,
    );

  const readFresh = async (path: string, asked: number, signal: AbortSignal): Promise<ReadResult> => {
    const failed = await supervisor.refreshedSince(isLive() ? asked : debts.since(path, asked));
    if (failed !== undefined) return failed;
    const result = await readNow(path, asked, signal);
    if (!signal.aborted) debts.paid(path);
    return result;
  };

  return {
    read: async (path, { fresh = false, signal } = {}) => {
      const asked = request();
      const result = await joinReads({
        key: fresh ? undefined : path,
        start: (abandoned) => (fresh ? readFresh(path, asked, abandoned) : readNow(path, asked, abandoned)),
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
      const asked = request();
      const start = async (abandoned: AbortSignal): Promise<ListResult> => {
        if (isLive()) {
          const failed = await supervisor.refreshedSince(asked, true);
          if (failed !== undefined) return failed;
        }
        const child = await supervisor.acquire(asked);
        if ("kind" in child) return child;
        if (child.view?.cache === "cached")
          return withProblems(child.memory.list(prefix), child.view, prefix);
        const reply = await ask(lists, { type: "list", prefix }, asked, abandoned, () => false);
        if (reply.kind !== "listed" && reply.kind !== "unavailable")
          return reply.kind === "stale" ? restless(prefix) : OUT_OF_TURN;
        return withProblems(reply, supervisor.serving()?.view, prefix);
      };
      return joinLists({ key: prefix, start, deadlineMs: operationTimeoutMs, late, signal });
    },
    info: () => {
      const asked = request();
      const start = async (): Promise<InfoResult> => {
        const child = await supervisor.acquire(asked);
        if ("kind" in child) return child;
        if (child.view === undefined) return OUT_OF_TURN;
        const viewAgeMs = Math.round(clock.now() - child.loadedSince);
        const { unsettled: _, shown: __, problems: ___, ...view } = child.view;
        const { objects, maxObjectBytes } = writeLimits.current(child.view);
        return {
          kind: "info",
          module: options.pkcs11.module,
          viewAgeMs,
          ...view,
          objectLimit: objects?.limit ?? null,
          objectLimitSource: objects?.source ?? null,
          maxObjectBytes,
          layout: writes?.layout ?? "packed",
          writable: writes !== undefined,
        };
      };
      return joinInfos({ key: "info", start, deadlineMs: operationTimeoutMs, late });
    },
    change: async (path, change, precondition = {}) => {
      if (writes === undefined) return READ_ONLY;
      request();
      return changes.change(path, change, precondition);
    },
    refresh: async () => {
      const failed = await changes.refresh(request());
      return failed ?? { kind: "refreshed" };
    },
    repair: async (dryRun) => {
      if (writes === undefined) return READ_ONLY;
      request();
      return changes.repair(dryRun);
    },
    setPin: async (current, next) => {
      if (writes === undefined) return READ_ONLY;
      request();
      return changes.inTurn(async () =>
        changePinThrough(await supervisor.acquire(clock.now()), guard, current, next),
      );
    },
    health: () => supervisor.health(),
    close: () => supervisor.close(),
  };
};
