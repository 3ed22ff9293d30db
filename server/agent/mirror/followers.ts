// SPDX-License-Identifier: Apache-2.0
// Keeps what a primary knows of its mirrors: tells them of changes, remembers what each holds, and forgets deletions that all have seen.
import type { Logger } from "pino";
import { type MemberReport, PullAnswer } from "../../agent-api/mirror-schema.ts";
import type { RoleOrder } from "../../agent-api/role-schema.ts";
import { compileSchema } from "../../http/validation.ts";
import { jsonOf } from "../../json.ts";
import { type Clock, timeLimit } from "../../time.ts";
import type { ChangeCount } from "../role/change-count.ts";
import type { Lease } from "../role/lease.ts";
import type { PeerClient } from "../role/peer-client.ts";
import type { MemberStore } from "./member.ts";
import { type Holding, type Tombstone, tombstoneKey } from "./plan-pull.ts";

/** The longest that a mirror's pull is waited for. */
const PULL_MS = 60_000;
/** The longest that a write is held up for the mirrors that must have it: shorter than the webhook waits. */
const ACK_MS = 7000;
/** A mirror that a write waits for and that did not pull is asked again after so long. */
const AGAIN_MS = 500;

const Answer = compileSchema(PullAnswer);

export type FollowersOptions = {
  readonly instance: string;
  readonly member: MemberStore;
  readonly lease: Lease;
  readonly count: ChangeCount;
  readonly peers: PeerClient;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** A deletion, and the position from which on a list shows it. */
type Seen = { readonly tombstone: Tombstone; readonly from: number };

export class Followers {
  readonly #options: FollowersOptions;
  /** The epoch that all of this is of. */
  #epoch = 0;
  readonly #reports = new Map<string, MemberReport>();
  #seen = new Map<string, Seen>();
  readonly #waiting = new Set<() => void>();
  /** Mirrors that are being told; true: once more after that. */
  readonly #telling = new Map<string, boolean>();
  #forgetting = false;
  #closed = false;

  constructor(options: FollowersOptions) {
    this.#options = options;
  }

  /** A mirror has said what it holds. What it says of another epoch counts for nothing. */
  reported(report: MemberReport): void {
    const order = this.#order();
    if (order === undefined || report.epoch !== order.epoch) return;
    if (!order.members.some(({ id }) => id === report.member && id !== order.member)) return;
    // Nobody holds what was not written yet: whoever says so would have every write to come acknowledged.
    const { instance, count } = this.#options;
    if (report.instance === instance && (report.position ?? 0) > count.position) return;
    this.#reports.set(report.member, report);
    for (const tell of this.#waiting) tell();
    void this.#forget(order);
  }

  /** What the token held when `position` was reached, and no change was under way. */
  listed({ tombstones }: Holding, position: number): void {
    if (this.#order() === undefined) return;
    const seen = tombstones.map((tombstone): [string, Seen] => {
      const key = tombstoneKey(tombstone);
      return [key, this.#seen.get(key) ?? { tombstone, from: position }];
    });
    this.#seen = new Map(seen);
  }

  /** What the members but this one last said of themselves. */
  reports(): MemberReport[] {
    const order = this.#order();
    return (order?.members ?? []).flatMap(({ id }) => this.#reports.get(id) ?? []);
  }

  /** Has the mirrors pull, each once however often this is called meanwhile. */
  changed(): void {
    const order = this.#order();
    if (order === undefined) return;
    for (const { id, address } of order.members) {
      if (id !== order.member && address !== undefined) this.#tell(id);
    }
  }

  /** Whether each of `members` holds all up to `position`, before time is up. */
  async acknowledged(members: readonly string[], position: number): Promise<boolean> {
    const limit = timeLimit(ACK_MS);
    const { count } = this.#options;
    for (;;) {
      const missing = members.filter((id) => !this.#holds(id, position));
      if (missing.length === 0) return true;
      if (limit.aborted || this.#closed || count.position < position) return false;
      const stop = this.#options.clock.after(AGAIN_MS, () => {
        for (const id of missing) if (!this.#telling.has(id)) this.#tell(id);
      });
      await new Promise<void>((resolve) => {
        const tell = () => {
          this.#waiting.delete(tell);
          limit.removeEventListener("abort", tell);
          resolve();
        };
        this.#waiting.add(tell);
        limit.addEventListener("abort", tell);
      });
      stop();
    }
  }

  close(): void {
    this.#closed = true;
    for (const tell of this.#waiting) tell();
  }

  /** The order by which this agent is primary, whether or not its lease has ended. */
  #order(): RoleOrder | undefined {
    const order = this.#options.lease.lastOrder();
    if (order?.role !== "primary" || this.#closed) return undefined;
    if (order.epoch !== this.#epoch) {
      this.#epoch = order.epoch;
      this.#reports.clear();
      this.#seen.clear();
    }
    return order;
  }

  #holds(id: string, position: number): boolean {
    const order = this.#order();
    const report = this.#reports.get(id);
    return (
      order !== undefined &&
      report?.epoch === order.epoch &&
      report.instance === this.#options.instance &&
      (report.position ?? -1) >= position
    );
  }

  #tell(id: string): void {
    if (this.#telling.has(id)) {
      this.#telling.set(id, true);
      return;
    }
    this.#telling.set(id, false);
    void this.#askToPull(id)
      .catch((error: unknown) => this.#options.logger.error({ err: error }, "a mirror could not be told"))
      .finally(() => {
        const isAgain = this.#telling.get(id) === true;
        this.#telling.delete(id);
        if (isAgain && this.#order() !== undefined) this.#tell(id);
      });
  }

  async #askToPull(id: string): Promise<void> {
    const order = this.#order();
    if (order === undefined) return;
    const { set, epoch, primary } = order;
    const request = { method: "POST" as const, path: "/v1/mirror/pull", body: { set, epoch, primary } };
    const answer = await this.#options.peers.call(order, id, request, timeLimit(PULL_MS));
    const body = "kind" in answer || answer.status !== 200 ? undefined : jsonOf(answer.body);
    if (Answer.Check(body) && body.report.member === id) return this.reported(body.report);
    const what = "kind" in answer ? answer.what : `answered ${answer.status}`;
    this.#options.logger.debug({ member: id, what }, "a mirror did not pull");
  }

  /** Forgets the deletions that every member of the set has seen. */
  async #forget(order: RoleOrder): Promise<void> {
    const { member, logger, lease } = this.#options;
    if (this.#forgetting || lease.writeRight().kind !== "granted") return;
    const others = order.members.filter(({ id }) => id !== order.member);
    const over = [...this.#seen.values()].filter(({ from }) =>
      others.every(({ id }) => this.#holds(id, from)),
    );
    if (others.length === 0 || over.length === 0) return;
    this.#forgetting = true;
    try {
      const result = await member.forget(over.map(({ tombstone }) => tombstone));
      if (result.kind === "written") {
        for (const { tombstone } of over) this.#seen.delete(tombstoneKey(tombstone));
      } else {
        logger.warn({ result: result.kind }, "deletions that all mirrors have seen could not be forgotten");
      }
    } finally {
      this.#forgetting = false;
    }
  }
}
