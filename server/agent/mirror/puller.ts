// SPDX-License-Identifier: Apache-2.0
// Has a mirror follow its primary: pulls when it is told to, and in the interval of its order, one pull at a time.
import type { Logger } from "pino";
import type { MemberReport } from "../../agent-api/mirror-schema.ts";
import type { RoleBody, RoleOrder, SetPosition } from "../../agent-api/role-schema.ts";
import { createSerialQueue } from "../../queue.ts";
import type { Clock } from "../../time.ts";
import type { ChangeCount } from "../role/change-count.ts";
import { isSameRole, type Lease } from "../role/lease.ts";
import type { SecretStore } from "../store.ts";
import type { MemberStore } from "./member.ts";
import type { MirrorSource } from "./mirror-source.ts";
import type { Divergence } from "./plan-pull.ts";
import { type Failures, type PullEnd, pullOnce } from "./pull.ts";

/** After a pull that did not come to its end, twice as long after each in a row, and not longer than the interval. */
const RETRY_MS = 2500;
/** Pulls one after another where secrets went between the list and the read. */
const TRIES = 3;

export type PullerOptions = {
  readonly member: MemberStore;
  readonly source: MirrorSource;
  readonly lease: Lease;
  readonly count: ChangeCount;
  readonly info: SecretStore["info"];
  readonly clock: Clock;
  readonly logger: Logger;
  /** From 0 to 1, for the jitter. */
  readonly random?: () => number;
};

/** What is known since the last pull that compared anything. */
type Known = {
  holds?: SetPosition;
  wholeAt?: number;
  failed?: Failures | undefined;
  epoch: number;
  diverged: readonly Divergence[];
};

export class Puller {
  readonly #options: PullerOptions;
  readonly #inTurn = createSerialQueue();
  #known: Known | undefined;
  /** A pull that has not begun yet, for all who ask before it does. */
  #next: Promise<PullEnd> | undefined;
  #stopTimer: () => void = () => undefined;
  #closed = false;
  /** Aborted while another order is about to be taken. */
  #halt = new AbortController();
  /** Pulls in a row that did not come to their end, and why the last one did not. */
  #failures = 0;
  #lastCode: string | undefined;

  constructor(options: PullerOptions) {
    this.#options = options;
  }

  /** Before `order` is taken: waits until no pull is under way for another one. */
  async makeWay(order: RoleOrder): Promise<void> {
    if (isSameRole(order, this.#options.lease.lastOrder())) return;
    // What is under way stops after the path that it is at.
    this.#halt.abort();
    await this.#inTurn(async () => undefined);
  }

  /** An order was taken, or none was. `isNew`: it is for another source than the one before. */
  follow(order: RoleOrder | undefined, isNew: boolean): void {
    if (this.#halt.signal.aborted) this.#halt = new AbortController();
    if (order?.role !== "mirror") {
      this.#stopTimer();
      this.#known = undefined;
    } else if (isNew) {
      this.#schedule(0);
    }
  }

  /** Pulls, after a pull that is under way. Those that ask meanwhile have the same one. */
  pull(): Promise<PullEnd> {
    this.#next ??= this.#inTurn(() => {
      this.#next = undefined;
      return this.#pull();
    });
    return this.#next;
  }

  /** Does `work` on what is diverged while no pull is under way. */
  apart<T>(work: () => Promise<T>): Promise<T> {
    return this.#inTurn(work);
  }

  /** What GET /v1/role says of the mirror. */
  told(): RoleBody["mirror"] {
    if (this.#known === undefined) return null;
    const { holds, wholeAt, failed, epoch, diverged } = this.#known;
    return {
      ...(holds !== undefined && { holds }),
      epoch,
      ...(wholeAt !== undefined && { ageSeconds: this.#ageSeconds(wholeAt) }),
      ...(failed !== undefined && { failed }),
      diverged: diverged.length,
    };
  }

  #ageSeconds(wholeAt: number): number {
    return Math.max(0, Math.floor((this.#options.clock.now() - wholeAt) / 1000));
  }

  diverged(): readonly Divergence[] {
    return this.#known?.diverged ?? [];
  }

  /** What the primary is told of this mirror. */
  async report(order: RoleOrder): Promise<MemberReport> {
    const info = await this.#options.info();
    const { holds, epoch, failed } = this.#known ?? {};
    const isHeld = holds?.member === order.primary && epoch === order.epoch && failed === undefined;
    return {
      member: order.member,
      epoch: order.epoch,
      ...(isHeld && { instance: holds.instance, position: holds.position }),
      ...(info.kind === "info" && {
        objects: info.objects,
        ...(info.objectLimit !== null && { objectLimit: info.objectLimit }),
        ...(info.maxObjectBytes !== null && { maxObjectBytes: info.maxObjectBytes }),
        ...(info.freeBytes !== null && { freeBytes: info.freeBytes }),
      }),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopTimer();
    await this.#inTurn(async () => undefined);
  }

  #schedule(ms: number): void {
    this.#stopTimer();
    if (this.#closed) return;
    this.#stopTimer = this.#options.clock.after(ms, () => void this.pull());
  }

  async #pull(): Promise<PullEnd> {
    const { lease, count, logger, random = Math.random } = this.#options;
    const order = lease.lastOrder();
    if (this.#closed || this.#halt.signal.aborted || order?.role !== "mirror") {
      return { kind: "not-begun", code: "STALE_ORDER", message: "the agent is no mirror" };
    }
    // What it wrote as a primary and has not ended would be overwritten.
    await count.quiet();
    let end: PullEnd;
    try {
      end = await this.#untilWhole(order);
    } catch (error) {
      logger.error({ err: error }, "a pull failed");
      end = { kind: "not-begun", code: "INTERNAL", message: "something went wrong; the log has more" };
    }
    this.#tell(order, end);
    const intervalMs = order.syncIntervalSeconds * 1000 * (0.9 + 0.2 * random());
    const isWhole = end.kind === "pulled" && end.failed === undefined;
    this.#failures = isWhole ? 0 : this.#failures + 1;
    const waitMs = isWhole ? intervalMs : Math.min(RETRY_MS * 2 ** Math.min(this.#failures, 10), intervalMs);
    if (isSameRole(order, lease.lastOrder())) this.#schedule(waitMs);
    return end;
  }

  async #untilWhole(order: RoleOrder): Promise<PullEnd> {
    const { member, source, lease } = this.#options;
    const isCurrent = () =>
      !this.#closed && !this.#halt.signal.aborted && isSameRole(order, lease.lastOrder());
    for (let tries = 1; ; tries += 1) {
      const report = await this.report(order);
      const { signal } = this.#halt;
      const end = await pullOnce({ member, source, order, report, isCurrent, signal });
      this.#remember(order, end);
      const isAgain = end.kind === "pulled" && end.failed?.code === "SECRET_NOT_FOUND" && isCurrent();
      if (!isAgain || tries === TRIES) return end;
    }
  }

  #remember(order: RoleOrder, end: PullEnd): void {
    const { lease, clock } = this.#options;
    // A token in place of the one that was pulled to holds nothing of it.
    if (end.kind === "not-begun" && end.code === "NOT_A_MEMBER") this.#known = undefined;
    if (end.kind === "not-begun" || !isSameRole(order, lease.lastOrder())) return;
    const { epoch, holds, failed, diverged } = end;
    const before = this.#known;
    this.#known =
      failed === undefined
        ? { epoch, holds, wholeAt: clock.now(), diverged }
        : { ...before, epoch, failed, diverged };
  }

  #tell(order: RoleOrder, end: PullEnd): void {
    const { logger } = this.#options;
    const { primary, epoch } = order;
    const before = this.#lastCode;
    this.#lastCode = end.kind === "not-begun" ? end.code : undefined;
    if (end.kind === "not-begun") {
      const said = { primary, epoch, code: end.code, reason: end.message };
      // It is tried again and again: once is told of each cause.
      if (end.code === before) logger.debug(said, "nothing was pulled");
      else logger.warn(said, "nothing was pulled");
      return;
    }
    const { copied, removed, failed, diverged } = end;
    const isQuiet = copied + removed === 0 && failed === undefined;
    const said = { primary, epoch, copied, removed, diverged: diverged.length, ...(failed && { failed }) };
    if (isQuiet) logger.debug(said, "pulled");
    else logger.info(said, "pulled");
  }
}
