// SPDX-License-Identifier: Apache-2.0
// Holds an agent's role in its set: a lease that ends by the agent's own clock, and who may write under it.
import type { RoleBody, RoleOrder } from "../../agent-api/role-schema.ts";
import type { Clock } from "../../time.ts";

/** What a token says of the set that it belongs to. */
export type SetMembership = { readonly set: string; readonly epoch: number };

/** Why an order is not taken; docs/agent-api.md explains each. */
export type OrderRefusal = "STALE_ORDER" | "STALE_EPOCH" | "OTHER_SET" | "NOT_A_MEMBER";

/** What an order asks of the token before it is taken: `join` and `raise` write the membership first. */
export type OrderCheck =
  | { readonly kind: "refused"; readonly code: OrderRefusal }
  | { readonly kind: "take"; readonly write?: SetMembership };

/** What the token holds: its membership (undefined: none), and whether there is a secret on it. */
export type TokenState = { readonly membership: SetMembership | undefined; readonly isEmpty: boolean };

/** Whether a write may begin. */
export type WriteRight =
  | { readonly kind: "granted"; readonly epoch: number; readonly acks?: readonly string[] }
  /** No lease, or one that ends what is written: another agent may be primary. */
  | { readonly kind: "no-lease" }
  | { readonly kind: "not-primary"; readonly order: RoleOrder };

/** Whether `order` fits a token in `state`. A blank one joins; one with secrets of its own does when somebody adopts it. */
const fits = (order: RoleOrder, { membership, isEmpty }: TokenState): OrderCheck => {
  const { set, epoch, role } = order;
  const write = { set, epoch };
  if (membership === undefined) {
    const joins = role === "primary" ? order.found === true : isEmpty;
    return joins ? { kind: "take", write } : { kind: "refused", code: "NOT_A_MEMBER" };
  }
  if (membership.set !== set) return { kind: "refused", code: "OTHER_SET" };
  if (membership.epoch > epoch) return { kind: "refused", code: "STALE_EPOCH" };
  return membership.epoch === epoch ? { kind: "take" } : { kind: "take", write };
};

/** Whether an order allows something that another one of the same moment does not: which of them is older can't be told. */
const allowsMore = (order: RoleOrder, last: RoleOrder): boolean =>
  (last.draining === true && order.draining !== true) ||
  last.acks?.some((id) => order.acks?.includes(id) !== true) === true;

/** Whether an order is older than `last`, or was made by somebody who had not read what was decided: an epoch has one writer. */
const isBefore = (order: RoleOrder, last: RoleOrder): boolean => {
  if (order.epoch < last.epoch || order.clockMs < last.clockMs) return true;
  if (order.set !== last.set || order.epoch !== last.epoch) return false;
  return order.primary !== last.primary || (order.clockMs === last.clockMs && allowsMore(order, last));
};

/** Whether both orders give the same role, with the same primary to follow. */
export const isSameRole = (a: RoleOrder, b: RoleOrder | undefined): boolean =>
  b !== undefined && a.set === b.set && a.epoch === b.epoch && a.primary === b.primary && a.role === b.role;

/** The role that one process of an agent has. */
export class Lease {
  readonly #clock: Clock;
  readonly #instance: string;
  #order: RoleOrder | undefined;

  /** `instance`: made up anew for each process, so that no order outlives it. */
  constructor(clock: Clock, instance: string) {
    this.#clock = clock;
    this.#instance = instance;
  }

  /** What the next order has to carry. Rounded down: a lease rather ends early. */
  stub(): Pick<RoleBody, "instance" | "clockMs"> {
    return { instance: this.#instance, clockMs: Math.floor(this.#clock.now()) };
  }

  /** Whether `order` may be taken by a token in `state`. What it says to write must be on the token before `take`. */
  check(order: RoleOrder, state: TokenState): OrderCheck {
    const last = this.#order;
    const isStale =
      order.instance !== this.#instance ||
      order.clockMs > this.#clock.now() ||
      (last !== undefined && isBefore(order, last));
    return isStale ? { kind: "refused", code: "STALE_ORDER" } : fits(order, state);
  }

  /** Takes an order that `check` let pass. A newer one may have come while the token was written: then that one stays. */
  take(order: RoleOrder): void {
    if (this.#order === undefined || !isBefore(order, this.#order)) this.#order = order;
  }

  /** Gives the role up, as where the token is not the one any more for which it was given. */
  drop(): void {
    this.#order = undefined;
  }

  /** The last order, whether or not its time is over: a mirror pulls on while nobody renews its lease. */
  lastOrder(): RoleOrder | undefined {
    return this.#order;
  }

  /** Milliseconds until the lease ends; 0 where there is none. */
  remainingMs(): number {
    if (this.#order === undefined) return 0;
    const { clockMs, ttlSeconds } = this.#order;
    return Math.max(0, Math.floor(clockMs + ttlSeconds * 1000 - this.#clock.now()));
  }

  /** The lease as the agent tells it; null where there is none. */
  told(): RoleBody["lease"] {
    const remainingMs = this.remainingMs();
    if (this.#order === undefined || remainingMs === 0) return null;
    const { role, epoch, primary, draining = false, acks } = this.#order;
    return { role, epoch, primary, remainingMs, draining, ...(acks !== undefined && { acks }) };
  }

  /** Whether a write may begin now. */
  writeRight(): WriteRight {
    const order = this.#order;
    if (order === undefined || this.remainingMs() === 0) return { kind: "no-lease" };
    if (order.role === "mirror") return { kind: "not-primary", order };
    if (order.draining === true) return { kind: "no-lease" };
    const { epoch, acks } = order;
    return { kind: "granted", epoch, ...(acks !== undefined && { acks }) };
  }
}
