// SPDX-License-Identifier: Apache-2.0
// Makes one pull of a mirror: asks the primary what it holds, and copies, removes and records what differs here.
import type { MemberReport } from "../../agent-api/mirror-schema.ts";
import type { RoleOrder, SetPosition } from "../../agent-api/role-schema.ts";
import { relate } from "../storage/stamp.ts";
import type { ChangeResult } from "../store.ts";
import { isDone } from "./change-results.ts";
import type { MemberStore } from "./member.ts";
import type { MirrorSource } from "./mirror-source.ts";
import {
  type Divergence,
  type Holding,
  ownStamps,
  type PullPlan,
  planPull,
  refusalOf,
  type Tombstone,
} from "./plan-pull.ts";

/** Paths that could not be taken over, and the code of the first of them. */
export type Failures = { readonly paths: number; readonly code: string };

/** How a pull ended. `not-begun`: nothing was compared, and nothing is known that was not before. */
export type PullEnd =
  | {
      readonly kind: "pulled";
      readonly epoch: number;
      /** What is held all of, where nothing failed. */
      readonly holds: SetPosition;
      readonly failed?: Failures;
      readonly diverged: readonly Divergence[];
      /** Secrets that were sent. */
      readonly copied: number;
      readonly removed: number;
    }
  | { readonly kind: "not-begun"; readonly code: string; readonly message: string };

export type PullOptions = {
  readonly member: MemberStore;
  readonly source: MirrorSource;
  readonly order: RoleOrder;
  readonly report: MemberReport;
  /** Whether the order is still the one to follow. */
  isCurrent(): boolean;
  /** Aborted when it is not, for an answer that is waited for. */
  readonly signal: AbortSignal;
};

const notBegun = (code: string, message: string): PullEnd => ({ kind: "not-begun", code, message });

/** Why the secrets of `there` are not taken over to `here`, in words. */
const refusalTo = (order: RoleOrder, here: Holding, there: Holding): PullEnd | undefined => {
  if (here.set !== order.set || here.epoch !== order.epoch) {
    return notBegun("NOT_A_MEMBER", "the token is not the one any more for which the role was given");
  }
  const refusal = refusalOf(here, there);
  if (refusal === "other-set") {
    return notBegun("OTHER_SET", "the primary's token belongs to another set, or to none");
  }
  return refusal === "older-epoch" || there.epoch !== order.epoch
    ? notBegun("STALE_EPOCH", `the primary's token is in epoch ${there.epoch}, and not in ${order.epoch}`)
    : undefined;
};

const codeOf = (result: ChangeResult): string | undefined => {
  if (isDone(result)) return undefined;
  return "code" in result ? result.code : "WRITE_UNCERTAIN";
};

/** The paths that failed, each with its code. */
class Faults {
  readonly #codes = new Map<string, string>();

  add(path: string, code: string | undefined): void {
    if (code !== undefined) this.#codes.set(path, code);
  }

  has(path: string): boolean {
    return this.#codes.has(path);
  }

  told(): { failed?: Failures } {
    const [code] = this.#codes.values();
    return code === undefined ? {} : { failed: { paths: this.#codes.size, code } };
  }
}

/** Takes one secret over; undefined: that was done, else the code of why not. */
const copyOne = async (
  { member, source, order, isCurrent, signal }: PullOptions,
  path: string,
  here: Holding,
): Promise<string | undefined> => {
  const found = await source.secret(order, path, signal);
  if (found.kind === "fault") return found.code;
  // Deleted since the list: the next one has its tombstone.
  if (found.kind === "absent") return "SECRET_NOT_FOUND";
  if (!isCurrent()) return "STALE_ORDER";
  const mine =
    here.secrets.find((one) => one.path === path)?.stamp ?? here.tombstones.find((one) => one.path === path);
  // The list said that it is ahead of what is here; a primary goes on from there.
  if (mine !== undefined && relate(mine, found.copy.stamp) !== "behind") return "STALE_ORDER";
  return codeOf(await member.take(path, found.copy));
};

/** The tombstones after the pull: at paths that failed, those that were there. */
const tombstonesAfter = (plan: PullPlan, here: Holding, faults: Faults): Tombstone[] => [
  ...plan.tombstones.filter(({ path }) => !faults.has(path)),
  ...here.tombstones.filter(({ path }) => faults.has(path)),
];

const carryOut = async (options: PullOptions, plan: PullPlan, here: Holding): Promise<Faults> => {
  const { member, isCurrent } = options;
  const faults = new Faults();
  const each = async (paths: readonly string[], work: (path: string) => Promise<string | undefined>) => {
    for (const path of paths) faults.add(path, isCurrent() ? await work(path) : "STALE_ORDER");
  };
  // What is deleted makes room for what is new.
  await each(plan.remove, async (path) => codeOf(await member.remove(path)));
  await each(plan.copy, (path) => copyOne(options, path, here));
  if (isCurrent()) faults.add("", codeOf(await member.record(tombstonesAfter(plan, here, faults))));
  return faults;
};

/** Pulls once. It never throws for what the primary or the token does. */
export const pullOnce = async (options: PullOptions): Promise<PullEnd> => {
  const { member, source, order, report, isCurrent, signal } = options;
  const there = await source.holding(order, report, signal);
  if (there.kind === "fault") return notBegun(there.code, there.message);
  const mine = await member.holding();
  if (mine.kind === "unavailable") return notBegun(mine.code, mine.message);
  // The primary has forgotten these since, or written over them: a secret of it is no older one.
  const tombstones = mine.holding.tombstones.filter((one) => !there.hasTold(one));
  const here = { ...mine.holding, tombstones };
  const refused = refusalTo(order, here, there.holding);
  if (refused !== undefined) return refused;
  if (!isCurrent()) return notBegun("STALE_ORDER", "another order came meanwhile");
  if (here.adopted === true) {
    const settled = await member.settle(ownStamps(here, there.holding));
    const code = codeOf(settled);
    return code === undefined
      ? pullOnce(options)
      : notBegun(
          code,
          "what the token held before it was adopted could not be told apart from what the set has",
        );
  }
  const plan = planPull(here, there.holding);
  const faults = await carryOut(options, plan, here);
  return {
    kind: "pulled",
    epoch: order.epoch,
    holds: there.holds,
    ...faults.told(),
    diverged: plan.diverged,
    copied: plan.copy.filter((path) => !faults.has(path)).length,
    removed: plan.remove.filter((path) => !faults.has(path)).length,
  };
};
