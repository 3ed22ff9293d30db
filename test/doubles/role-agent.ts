// SPDX-License-Identifier: Apache-2.0
// A double of an agent with a role: the real lease, over a token that is three numbers; another process may run on the same token.

import { Lease, type SetMembership } from "../../server/agent/role/lease.ts";
import type { RoleBody, RoleOrder } from "../../server/agent-api/role-schema.ts";
import type { Clock } from "../../server/time.ts";

/** What stays when an agent ends. `versions`: the sum of those of all secrets. */
export type RoleToken = { membership?: SetMembership; secrets: number; versions: number };

export type OrderAnswer = { status: 200; body: RoleBody } | { status: 409; code: string };

let instances = 0;

/** One process of an agent. */
export class RoleAgent {
  readonly device: string;
  readonly node: string;
  readonly token: RoleToken;
  readonly lease: Lease;
  /** Why the token can't be read. */
  fault: string | undefined;
  position = 0;
  mirror: RoleBody["mirror"] = null;
  /** Whether it gets its orders. */
  readonly orders: RoleOrder[] = [];
  readonly #clock: Clock;
  readonly #instance: string;
  #pulledAt = 0;

  constructor(device: string, node: string, token: RoleToken, clock: Clock) {
    this.device = device;
    this.node = node;
    this.token = token;
    this.#clock = clock;
    instances += 1;
    this.#instance = `process-${instances}`;
    this.lease = new Lease(clock, this.#instance);
  }

  /** What GET /v1/role answers. */
  told(): RoleBody {
    const { device, node, token, position, mirror, fault } = this;
    const ageSeconds = Math.floor((this.#clock.now() - this.#pulledAt) / 1000);
    return {
      device,
      node,
      ...this.lease.stub(),
      token: fault === undefined ? { ready: true } : { ready: false, code: fault },
      ...(fault === undefined && {
        set: token.membership ?? null,
        secrets: token.secrets,
        versions: token.versions,
      }),
      lease: this.lease.told(),
      position,
      writing: 0,
      mirror: mirror && { ...mirror, ...(mirror.holds !== undefined && { ageSeconds }) },
    };
  }

  /** What PUT /v1/role answers. */
  order(order: RoleOrder): OrderAnswer {
    const { token } = this;
    const checked = this.lease.check(order, {
      membership: token.membership,
      isEmpty: token.secrets === 0,
    });
    if (checked.kind === "refused") return { status: 409, code: checked.code };
    if (checked.write !== undefined) token.membership = checked.write;
    this.lease.take(order);
    this.orders.push(order);
    return { status: 200, body: this.told() };
  }

  /** A write of a client to a new path; false where the lease does not allow it. */
  write(): boolean {
    if (this.lease.writeRight().kind !== "granted") return false;
    this.token.secrets += 1;
    this.token.versions += 1;
    this.position += 1;
    return true;
  }

  /** Takes over all that `primary` holds. */
  pull(primary: RoleAgent): void {
    const epoch = primary.token.membership?.epoch ?? 0;
    const member = this.lease.lastOrder()?.primary ?? "";
    Object.assign(this.token, { secrets: primary.token.secrets, versions: primary.token.versions });
    this.#pulledAt = this.#clock.now();
    this.mirror = {
      holds: { member, instance: primary.#instance, position: primary.position },
      epoch,
      diverged: this.mirror?.diverged ?? 0,
    };
  }
}
