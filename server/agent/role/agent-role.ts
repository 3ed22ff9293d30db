// SPDX-License-Identifier: Apache-2.0
// Takes the orders that give an agent its role, tells it, and makes the writes that the role allows.
import type { RoleBody, RoleOrder } from "../../agent-api/role-schema.ts";
import { createSerialQueue } from "../../queue.ts";
import { isDone } from "../mirror/change-results.ts";
import type { Followers } from "../mirror/followers.ts";
import type { MemberStore } from "../mirror/member.ts";
import { isLimited, roomFault } from "../mirror/mirror-room.ts";
import type { Puller } from "../mirror/puller.ts";
import { type Resolution, resolveOn } from "../mirror/resolution.ts";
import type { Change, ChangeResult, Precondition, SecretStore, Unavailable } from "../store.ts";
import type { ChangeCount } from "./change-count.ts";
import { isSameRole, type Lease, type OrderRefusal, type WriteRight } from "./lease.ts";
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
  readonly lease: Lease;
  readonly count: ChangeCount;
  /** Of a mirror. */
  readonly puller: Puller;
  /** Of a primary. */
  readonly followers: Followers;
  readonly store: Pick<SecretStore, "read" | "info">;
};

/** The role of one process of an agent, and the writes under it. */
export class AgentRole {
  readonly #options: AgentRoleOptions;
  readonly lease: Lease;
  readonly count: ChangeCount;
  readonly #inTurn = createSerialQueue();

  constructor(options: AgentRoleOptions) {
    this.#options = options;
    this.lease = options.lease;
    this.count = options.count;
  }

  /** What GET /v1/role answers. A lease of an order that is given for it runs from now, before the token is read. */
  async told(): Promise<RoleBody> {
    const { device, node, member } = this.#options;
    const stub = this.lease.stub();
    const held = await member.totals();
    const known = { device, node, ...stub };
    const own = { lease: this.lease.told(), position: this.count.position, writing: this.count.writing };
    const mirror = this.#options.puller.told();
    if (held.kind === "unavailable") {
      return { ...known, token: { ready: false, code: held.code }, ...own, mirror };
    }
    const { membership = null, secrets, versions } = held;
    return { ...known, token: { ready: true }, set: membership, secrets, versions, ...own, mirror };
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
      if (checked.code !== "STALE_ORDER") this.#drop();
      return checked;
    }
    const { puller, member } = this.#options;
    const before = this.lease.lastOrder();
    // What a pull for the order before still wrote could take the place of what is written under this one.
    await puller.makeWay(order);
    const result = checked.write === undefined ? undefined : await member.join(checked.write, order.role);
    if (result !== undefined && !isDone(result)) {
      puller.follow(before, true);
      return { kind: "failed", result };
    }
    this.lease.take(order);
    const isNew = !isSameRole(order, before);
    puller.follow(order, isNew);
    return { kind: "taken", isNew };
  }

  #drop(): void {
    this.lease.drop();
    this.#options.puller.follow(undefined, false);
  }

  /** Whether a write may begin. */
  right(): Extract<WriteRight, { kind: "granted" }> | WriteRefusal {
    const right = this.lease.writeRight();
    return right.kind === "granted" && right.acks?.length === 0 ? { kind: "no-mirror" } : right;
  }

  /** Makes a change under the lease, if there is one that allows it, and waits for the mirrors that must have it. */
  async change(path: string, change: Change, precondition: Precondition): Promise<ChangeResult> {
    const { member } = this.#options;
    const work = async (epoch: number) =>
      (await this.#roomFault(path, change)) ?? member.change(path, change, precondition, epoch);
    const result = await this.#write(work, isMade);
    // What is not there may be so by a deletion that no mirror has yet: an answer that says so is an acknowledgement too.
    const isRemoval = change.type === "delete" || change.type === "delete-key";
    const isGone = result.kind === "absent" || result.kind === "key-absent";
    return isRemoval && isGone ? this.#acknowledged(result) : this.#confirmed(result);
  }

  /** Tells the mirrors of a change, and waits for those that must have it. */
  async #confirmed(result: ChangeResult): Promise<ChangeResult> {
    if (isMade(result)) this.#options.followers.changed();
    return isDone(result) ? this.#acknowledged(result) : result;
  }

  /** `result`, if the mirrors that must know of it say that they do. */
  async #acknowledged(result: ChangeResult): Promise<ChangeResult> {
    const { followers } = this.#options;
    const { role, acks } = this.lease.lastOrder() ?? {};
    if (role === "primary" && acks === undefined && this.lease.remainingMs() > 0) return result;
    const { position } = this.count;
    const isHeld = acks !== undefined && acks.length > 0 && (await followers.acknowledged(acks, position));
    if (isHeld) return result;
    const message =
      "the write is on this token, and a mirror that must have it too does not say that it has, or the lease has ended meanwhile";
    return { kind: "uncertain", message };
  }

  /** Why a mirror would have no room for the change. */
  async #roomFault(path: string, change: Change): Promise<ChangeResult | undefined> {
    const { followers, store } = this.#options;
    const limited = followers.reports().filter(isLimited);
    if (limited.length === 0 || (change.type !== "put" && change.type !== "patch")) return undefined;
    const [before, info] = [await store.read(path), await store.info()];
    // The change itself says what is wrong with the token.
    if (before.kind === "unavailable" || info.kind === "unavailable") return undefined;
    for (const mirror of limited) {
      const message = roomFault(mirror, { change, before, layout: info.layout });
      if (message !== undefined) return { kind: "refused", code: "MIRROR_FULL", message };
    }
    return undefined;
  }

  /** Puts what a mirror has beside the primary's secret in its place, with a stamp that knows of both. */
  async resolve(path: string, resolution: Resolution): Promise<ChangeResult> {
    const { member } = this.#options;
    const end = await this.count.apart(async (counted): Promise<ChangeResult> => {
      const right = this.right();
      if (right.kind !== "granted") return notTaken(right);
      const refusal = await this.#otherToken();
      if (refusal !== undefined) return refusal;
      const result = await resolveOn(member, right.epoch, path, resolution);
      if (isMade(result)) counted();
      return result;
    });
    return this.#confirmed(end);
  }

  /** Lets go of the mirrors and of the primary. */
  async close(): Promise<void> {
    this.#options.followers.close();
    await this.#options.puller.close();
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
    this.#drop();
    return notTaken({ kind: "no-lease" });
  }
}

/** Whether the token may be another one than before. */
const isMade = (result: ChangeResult): boolean =>
  result.kind === "uncertain" ||
  result.kind === "deleted" ||
  (result.kind === "written" && result.outcome !== "unchanged");
