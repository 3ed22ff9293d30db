// SPDX-License-Identifier: Apache-2.0
// Implements the agent's secret store on a PKCS#11 token, put together from its parts.
import { randomBytes } from "node:crypto";
import type { Layout } from "../../../agent-api/schema.ts";
import { present } from "../../../config/variables.ts";
import { type Clock, monotonicClock, rfc3339 } from "../../../time.ts";
import type { Origin } from "../../storage/stamp.ts";
import type { TokenLimits } from "../../storage/write-plan.ts";
import {
  type Change,
  type ChangeResult,
  type Health,
  type InfoResult,
  type ListResult,
  type PathChange,
  type PinResult,
  type Precondition,
  type ReadResult,
  type RepairOutcome,
  type SecretStore,
  type Unavailable,
  unavailable,
} from "../../store.ts";
import type { TokenView } from "../answers.ts";
import type { Configure, ReplacedPin } from "../messages.ts";
import { PinGuard } from "../pin-guard.ts";
import { TokenChanges } from "./changes.ts";
import { StartedProcess } from "./child-process.ts";
import { createStallLimits, OUT_OF_TURN } from "./child-watch.ts";
import { changePinThrough } from "./pin-change.ts";
import { SecretLists } from "./secret-lists.ts";
import { createCoalescedCalls, SecretReads, TokenCalls, tookTooLong } from "./secret-reads.ts";
import { Supervisor, type TokenEvents } from "./supervisor.ts";
import { startTokenChild } from "./token-child.ts";
import { type ConfiguredLimits, WriteLimits } from "./write-limits.ts";

type TokenInfo = {
  module: string;
  view: TokenView;
  /** How long ago the view was loaded. */
  viewAgeMs: number;
  /** What the next write has to keep to. */
  limits: TokenLimits;
  layout: Layout;
  writable: boolean;
};

/** What callers are told of the token, from the view of the serving child. */
export const infoOf = ({ module, view, viewAgeMs, limits, layout, writable }: TokenInfo): InfoResult => {
  const { unsettled: _, shown: __, problems: ___, ...told } = view;
  const { objects, maxObjectBytes } = limits;
  return {
    kind: "info",
    module,
    viewAgeMs: Math.round(viewAgeMs),
    ...told,
    objectLimit: objects?.limit ?? null,
    objectLimitSource: objects?.source ?? null,
    maxObjectBytes,
    layout,
    writable,
  };
};

export type Pkcs11StoreOptions = {
  /** PKCS11_*: which module, which token, where its PIN is, and whether the module caches. */
  pkcs11: Omit<Configure, "type" | "pinKey" | "writable" | "replacedPin">;
  /** What writes need; without it the store is read-only. */
  writes?: { layout: Layout } & ConfiguredLimits;
  operationTimeoutMs: number;
  refreshIntervalMs: number;
  events: TokenEvents & { queueLength(length: number): void };
  /** The environment of the child process. */
  env?: NodeJS.ProcessEnv;
  /** Runs the first child; one that was started before there was a store, with the same environment. */
  firstProcess?: StartedProcess;
  clock?: Clock;
  /** Told of paths whose cut writes a start has completed or undone. */
  recovered?: (paths: readonly string[]) => void;
  /** Told when a blank token was set up. */
  provisioned?: () => void;
  /** Wall clock. */
  date?: () => Date;
};

const READ_ONLY = unavailable("TOKEN_UNAVAILABLE", "the agent has no WRITE_TOKEN_FILE and is read-only", 60);

type ReadOptions = Parameters<SecretStore["read"]>[1];
type ListOptions = Parameters<SecretStore["list"]>[1];

/** The layout of what is new where nothing is written. */
const DEFAULT_LAYOUT: Layout = "packed";

const startSupervisor = (
  options: Pkcs11StoreOptions,
  clock: Clock,
  guard: PinGuard,
  replacedPin: () => ReplacedPin | undefined,
  loaded: () => void,
): Supervisor => {
  const { operationTimeoutMs, refreshIntervalMs, events, writes, provisioned, env = process.env } = options;
  const config: Configure = {
    type: "configure",
    ...options.pkcs11,
    writable: writes !== undefined,
    pinKey: randomBytes(32),
  };
  const limits = createStallLimits(operationTimeoutMs);
  const waiting = [options.firstProcess].filter((process) => process !== undefined);
  return new Supervisor({
    startChild: () =>
      startTokenChild({
        process: waiting.pop() ?? new StartedProcess(env),
        config: { ...config, ...present({ replacedPin: replacedPin() }) },
        operationTimeoutMs,
        clock,
        guard,
        limits,
        ...(provisioned !== undefined && { provisioned }),
      }),
    clock,
    refreshIntervalMs,
    longestSpacingMs: operationTimeoutMs / 4,
    events: {
      ...events,
      loaded: (objects, seconds) => {
        events.loaded(objects, seconds);
        loaded();
      },
    },
  });
};

class Pkcs11Store implements SecretStore {
  readonly #options: Pkcs11StoreOptions;
  readonly #clock: Clock;
  readonly #guard: PinGuard;
  readonly #supervisor: Supervisor;
  readonly #limits: WriteLimits;
  readonly #changes: TokenChanges;
  readonly #calls: TokenCalls;
  readonly #reads: SecretReads;
  readonly #lists: SecretLists;
  readonly #coalescedInfos;
  /** Kept as long as this process lives: the PIN file follows later, if at all. */
  #replacedPin: ReplacedPin | undefined;

  constructor(options: Pkcs11StoreOptions) {
    const { operationTimeoutMs: timeoutMs, writes } = options;
    const clock = options.clock ?? monotonicClock;
    this.#options = options;
    this.#clock = clock;
    this.#guard = new PinGuard(undefined, () => clock.now());
    this.#limits = new WriteLimits(writes ?? {}, clock);
    const supervisor = startSupervisor(
      options,
      clock,
      this.#guard,
      () => this.#replacedPin,
      () => this.#loaded(),
    );
    this.#supervisor = supervisor;
    this.#changes = new TokenChanges({
      supervisor,
      clock,
      writable: writes !== undefined,
      layout: writes?.layout ?? DEFAULT_LAYOUT,
      limits: this.#limits,
      waitMs: timeoutMs,
      timestamp: () => rfc3339(options.date?.() ?? new Date()),
      changed: () => this.#changed(),
      recovered: options.recovered ?? (() => undefined),
    });
    this.#calls = new TokenCalls({ supervisor, clock, changed: () => this.#tellQueueLength() });
    this.#reads = new SecretReads({ supervisor, calls: this.#calls, clock, timeoutMs });
    this.#lists = new SecretLists({ supervisor, calls: this.#calls, clock, timeoutMs });
    this.#coalescedInfos = createCoalescedCalls<InfoResult>(clock);
  }

  read(path: string, { fresh = false, signal }: ReadOptions = {}): Promise<ReadResult> {
    return this.#reads.read({ path, asked: this.#request() }, fresh, signal);
  }

  list(prefix: string, { signal }: ListOptions = {}): Promise<ListResult> {
    return this.#lists.list({ prefix, asked: this.#request() }, signal);
  }

  info(): Promise<InfoResult> {
    const asked = this.#request();
    return this.#coalescedInfos({
      key: "info",
      start: () => this.#info(asked),
      deadlineMs: this.#options.operationTimeoutMs,
      late: () => tookTooLong(this.#supervisor.lastLoadMs()),
    });
  }

  async change(
    path: string,
    change: Change,
    precondition: Precondition = {},
    origin?: Origin,
  ): Promise<ChangeResult> {
    if (this.#options.writes === undefined) return READ_ONLY;
    this.#request();
    return this.#changes.change(path, change, precondition, origin);
  }

  async changeAll(changes: readonly PathChange[]): Promise<ChangeResult[]> {
    if (this.#options.writes === undefined) return changes.map(() => READ_ONLY);
    this.#request();
    return this.#changes.changeAll(changes);
  }

  async refresh(): Promise<{ kind: "refreshed" } | Unavailable> {
    const failed = await this.#changes.refresh(this.#request());
    return failed ?? { kind: "refreshed" };
  }

  async repair(dryRun: boolean): Promise<RepairOutcome> {
    if (this.#options.writes === undefined) return READ_ONLY;
    this.#request();
    return this.#changes.repair(dryRun);
  }

  async setPin(current: string, next: string): Promise<PinResult> {
    if (this.#options.writes === undefined) return READ_ONLY;
    this.#request();
    return this.#changes.inTurn(async () => {
      const child = await this.#supervisor.acquire(this.#clock.now());
      return changePinThrough(child, this.#guard, current, next, (replaced) => {
        this.#replacedPin = replaced;
      });
    });
  }

  health(): Health {
    return this.#supervisor.health();
  }

  close(): Promise<void> {
    return this.#supervisor.close();
  }

  /** Somebody asks for something, at the time that this answers. */
  #request(): number {
    this.#guard.requested();
    return this.#clock.now();
  }

  async #info(asked: number): Promise<InfoResult> {
    const { pkcs11, writes } = this.#options;
    const child = await this.#supervisor.acquire(asked);
    if ("kind" in child) return child;
    const { view, loadedSince } = child;
    if (view === undefined) return OUT_OF_TURN;
    return infoOf({
      module: pkcs11.module,
      view,
      viewAgeMs: this.#clock.now() - loadedSince,
      limits: this.#limits.current(view),
      layout: writes?.layout ?? DEFAULT_LAYOUT,
      writable: writes !== undefined,
    });
  }

  /** The token was loaded; what that shows of cut writes is settled. */
  #loaded(): void {
    this.#tellCapacity();
    const { view } = this.#supervisor.serving() ?? {};
    if (this.#options.writes !== undefined && (view?.unsettled ?? 0) > 0) this.#changes.recover();
  }

  #changed(): void {
    this.#tellQueueLength();
    this.#tellCapacity();
  }

  #tellQueueLength(): void {
    this.#options.events.queueLength(this.#calls.length + this.#changes.length);
  }

  #tellCapacity(): void {
    const view = this.#supervisor.serving()?.view;
    if (view === undefined) return;
    this.#options.events.capacity(view, this.#limits.current(view).objects?.limit ?? null);
  }
}

/** A store whose child process is started at once. */
export const createPkcs11Store = (options: Pkcs11StoreOptions): SecretStore => new Pkcs11Store(options);
