// SPDX-License-Identifier: Apache-2.0
// Takes the orders that give an agent its role, tells it, and makes the writes that the role allows.
import type { RoleBody, RoleOrder } from "../../agent-api/role-schema.ts";
import { createSerialQueue } from "../../queue.ts";
import type { Clock } from "../../time.ts";
import type { MemberStore } from "../mirror/member.ts";
import type { Change, ChangeResult, Precondition, Unavailable } from "../store.ts";
import { ChangeCount } from "./change-count.ts";
import { Lease, type OrderRefusal, type WriteRight } from "./lease.ts";
import { notTaken, type WriteRefusal } from "./write-refusal.ts";

/** What became of an order. `failed`: its membership could not be written to the token. */
export type OrderResult =
  | { readonly kind: "taken"; readonly isNew: boolean }
  | { readonly kind: "refused"; readonly code: OrderRefusal }
  | { readonly kind: "failed"; readonly result: Exclude<ChangeResult, { kind: "written" | "deleted" }> }
  | Unavailable;

export type AgentRoleOptions = {
  readonly device: string;
  readonly node: string;
  readonly member: MemberStore;
  /** Monotonic. */
  readonly clock: Clock;
  /** Made up anew for each process. */
  readonly instance: string;
};

/** The role of one process of an agent, and the writes under it. */
export class AgentRole {
  readonly #options: AgentRoleOptions;
  readonly lease: Lease;
  readonly count = new ChangeCount();
  readonly #inTurn = createSerialQueue();

  constructor(options: AgentRoleOptions) {
    this.#options = options;
    this.lease = new Lease(options.clock, options.instance);
  }

  /** What GET /v1/role answers. A lease of an order that is given for it runs from now, before the token is read. */
  async told(): Promise<RoleBody> {
    const { device, node, member } = this.#options;
    const stub = this.lease.stub();
    const held = await member.holding();
    const known = { device, node, ...stub };
    const own = { lease: this.lease.told(), position: this.count.position, writing: this.count.writing };
    if (held.kind === "unavailable") {
      return { ...known, token: { ready: false, code: held.code }, ...own, mirror: null };
    }
    const { set, epoch, secrets, tombstones } = held.holding;
    const stamps = [...secrets.map(({ stamp }) => stamp), ...tombstones];
    return {
      ...known,
      token: { ready: true },
      set: set === undefined ? null : { set, epoch },
      secrets: secrets.length,
      versions: stamps.reduce((total, { version }) => total + version, 0),
      ...own,
      mirror: null,
    };
  }

  /** Takes an order where it fits: its membership is on the token before the role is. */
  order(order: RoleOrder): Promise<OrderResult> {
    return this.#inTurn(() => this.#order(order));
  }

  async #order(order: RoleOrder): Promise<OrderResult> {
    const state = await this.#options.member.membership();
    if (state.kind === "unavailable") return state;
    const checked = this.lease.check(order, state);
    if (checked.kind === "refused") {
      // Any other refusal says that this is not the token for which the role was given.
      if (checked.code !== "STALE_ORDER") this.lease.drop();
      return checked;
    }
    if (checked.write !== undefined) {
      const result = await this.#options.member.join(checked.write);
      if (result.kind !== "written" && result.kind !== "deleted") return { kind: "failed", result };
    }
    const before = this.lease.told();
    this.lease.take(order);
    return { kind: "taken", isNew: before?.epoch !== order.epoch || before.role !== order.role };
  }

  /** Whether a write may begin. */
  right(): Extract<WriteRight, { kind: "granted" }> | WriteRefusal {
    const right = this.lease.writeRight();
    return right.kind === "granted" && right.acks?.length === 0 ? { kind: "no-mirror" } : right;
  }

  /** Makes a change under the lease, if there is one that allows it. */
  change(path: string, change: Change, precondition: Precondition): Promise<ChangeResult> {
    return this.#write((epoch) => this.#options.member.change(path, change, precondition, epoch), isMade);
  }

  /** Does any other work that writes to the token, under the same conditions. */
  maintain<T>(work: () => Promise<T>): Promise<T | ChangeResult> {
    return this.#write(work, () => true);
  }

  async #write<T>(
    work: (epoch: number) => Promise<T>,
    made: (result: T) => boolean,
  ): Promise<T | ChangeResult> {
    // The right is asked for when the change begins, not while it waits to.
    const guarded = async () => {
      const right = this.right();
      if (right.kind !== "granted") return { refusal: notTaken(right) };
      const refusal = await this.#otherToken();
      return refusal === undefined ? { result: await work(right.epoch) } : { refusal };
    };
    const end = await this.count.change(guarded, (done) => "result" in done && made(done.result));
    return "refusal" in end ? end.refusal : end.result;
  }

  /** Why this is not the token for which the role was given: another one may have been plugged in since. */
  async #otherToken(): Promise<ChangeResult | undefined> {
    const { set, epoch } = this.lease.lastOrder() ?? {};
    const state = await this.#options.member.membership();
    if (state.kind === "unavailable") return state;
    const { membership } = state;
    if (membership !== undefined && membership.set === set && membership.epoch === epoch) return undefined;
    this.lease.drop();
    return notTaken({ kind: "no-lease" });
  }
}

/** Whether the token may be another one than before. */
const isMade = (result: ChangeResult): boolean =>
  result.kind === "uncertain" ||
  result.kind === "deleted" ||
  (result.kind === "written" && result.outcome !== "unchanged");
