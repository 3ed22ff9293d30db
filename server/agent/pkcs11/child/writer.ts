// SPDX-License-Identifier: Apache-2.0
// Writes one secret to an attached token atomically, whatever ends the process in between. Runs in the child.
import { digestOf } from "../../storage/journal.ts";
import { JOURNAL_APPLICATION, type TokenObject } from "../../storage/path.ts";
import { countUnread, decodeSecret, withoutLeftovers } from "../../storage/secret.ts";
import { decodeTrusted } from "../../storage/trust.ts";
import { type PlanRequest, planWrite, type WritePlan } from "../../storage/write-plan.ts";
import type { Answer, BatchAnswer } from "../answers.ts";
import { isNoRoom } from "../ckr.ts";
import type { ChangeOperation, Operation } from "../messages.ts";
import { refusalNoRoom, refusalNotShown } from "../write-refusals.ts";
import { writeBatch } from "./batch-writes.ts";
import type { IndexedObject } from "./label-index.ts";
import { CkrError, type ReadObject } from "./module-calls.ts";
import { type Made, makeAll, remove, removeLeftovers, type WriterView } from "./object-writes.ts";
import { repairToken } from "./repair.ts";
import { isRepair, type Outcome, outcomeOf, targetOf } from "./write-target.ts";

type LookOperation = Extract<Operation, { type: "look" }>;

const largestOf = (objects: readonly TokenObject[]): number =>
  Math.max(0, ...objects.map(({ value }) => value.length));

/** Takes back what was made, the journal as the last, and says why: for modules that show what is there. */
const takeBack = async (
  view: WriterView,
  { made, failed }: Made,
  version: number,
  before: number,
): Promise<BatchAnswer> => {
  await remove(view, [...made].reverse());
  if (failed === undefined) return refusalNotShown(before, largestOf(made), version);
  const { ckr, call, bytes, objects } = failed;
  if (!isNoRoom(ckr)) throw new CkrError(ckr, call);
  return refusalNoRoom({ ckr, call, bytes, objects }, version);
};

/** What was made is in the view from now on; what is to be removed goes; then the journal. */
const complete = async (
  view: WriterView,
  { made, handles }: Made,
  plan: WritePlan<ReadObject>,
  distrusted: readonly ReadObject[],
): Promise<void> => {
  for (const object of made) view.made(object);
  if (handles !== undefined) await view.seen(handles);
  const journals = made.filter(({ application }) => application === JOURNAL_APPLICATION);
  await remove(view, plan.remove);
  await remove(view, journals);
  await remove(view, distrusted);
};

type SettledPath = {
  objects: ReadObject[];
  standing: ReadObject[];
  unread: IndexedObject[];
  distrusted: ReadObject[];
};

/** What counts at the path, once what a cut write has left there is gone. */
const settle = async (
  view: WriterView,
  path: string,
): Promise<SettledPath | "stale" | { invalid: string }> => {
  const reading = view.objectsOf(path);
  if (reading === "stale") return reading;
  const { objects, unread, distrusted } = reading;
  const result = withoutLeftovers(path, objects, countUnread(unread));
  if (result.kind === "invalid") return { invalid: result.message };
  await removeLeftovers(view, result.surplus);
  return { objects: result.objects, standing: result.standing, unread, distrusted };
};

/** The plan; where there is no room for a tombstone, one without. */
const planOf = (request: PlanRequest<ReadObject>): ReturnType<typeof planWrite<ReadObject>> => {
  const plan = planWrite(request);
  const { content, ...plain } = request;
  return plan.kind === "refused" && content?.data.size === 0 ? planWrite(plain) : plan;
};

/** A change that is planned: nothing of it has been made. */
export type Planned = {
  kind: "planned";
  plan: WritePlan<ReadObject>;
  distrusted: readonly ReadObject[];
  /** Nothing is at the path, whether it counts or not. */
  isEmpty: boolean;
  outcome: Outcome;
  version: number;
  /** How many data objects the token held before. */
  used: number;
};

/**
 * What is to be done for a change, for which the view must be up to date; or the answer where nothing is to be written. `ahead`: objects
 * that are on the token and that the view does not count.
 */
const prepare = async (
  view: WriterView,
  operation: ChangeOperation,
  ahead = 0,
): Promise<Planned | BatchAnswer> => {
  const { path, limits } = operation;
  const there = await settle(view, path);
  if (there === "stale") return { kind: "stale" };
  if ("invalid" in there) return { kind: "invalid", message: there.invalid };
  const { objects, standing, unread, distrusted } = there;
  const current = decodeTrusted(path, { objects: [...objects, ...standing], unread, distrusted });
  if (current.kind === "invalid" && !isRepair(operation)) return current;
  const next = targetOf(operation, current, objects);
  if ("kind" in next) return next;
  const { target, version, outranked } = next;
  const used = view.count() + ahead;
  const content = target && { content: target };
  const request = {
    path,
    objects,
    standing,
    unread: countUnread(unread),
    used,
    limits,
    ways: view.quirks,
    outranked,
  };
  const plan = planOf({ ...request, ...content });
  if (plan.kind === "refused") return plan;
  const isEmpty = [objects, standing, unread, distrusted].every((some) => some.length === 0);
  const outcome = outcomeOf(current, target, operation);
  return { kind: "planned", plan, distrusted, isEmpty, outcome, version, used };
};

/** The answer to a change that waits for another process to look. */
const begunWith = ({ plan, distrusted, outcome, version }: Planned, { failed }: Made): BatchAnswer => ({
  kind: "begun",
  begun: {
    journal: plan.journal !== undefined,
    make: plan.make.map(digestOf),
    remove: [...plan.remove, ...distrusted].map(digestOf),
  },
  result: outcome,
  largestBytes: largestOf(plan.journal ? [plan.journal, ...plan.make] : plan.make),
  version,
  ...(failed && { failed }),
});

/** The writer of one view. Its operations must not overlap. */
export class TokenWriter {
  readonly #view: WriterView;
  /** What was made for a write that waits for its confirmation. */
  #unconfirmed: { path: string; made: readonly ReadObject[] } | undefined;

  constructor(view: WriterView) {
    this.#view = view;
  }

  /**
   * Makes one change. With `confirm` it stops before anything old is removed, or at the first failure, for another process
   * to look what the token really shows.
   */
  async change(operation: ChangeOperation, confirm: boolean): Promise<BatchAnswer> {
    const view = this.#view;
    await view.catchUp(operation.path);
    const planned = await prepare(view, operation);
    if (planned.kind !== "planned") return planned;
    const { plan, distrusted, outcome, version, used } = planned;
    const result = await makeAll(view, plan);
    if (result.kind === "protected") return result;
    const { made, failed, notShown = false } = result;
    if (confirm && (made.length > 0 || failed !== undefined)) {
      this.#unconfirmed = { path: operation.path, made };
      return begunWith(planned, result);
    }
    if (failed !== undefined || notShown) return takeBack(view, result, version, used);
    await complete(view, result, plan, distrusted);
    return outcome;
  }

  /** Makes changes of different paths, where the module shows what is there. */
  batch(operations: readonly ChangeOperation[]): Promise<Answer> {
    const view = this.#view;
    const prepared = async (operation: ChangeOperation, upToDate: boolean, ahead: number) => {
      if (!upToDate) await view.catchUp(operation.path);
      return prepare(view, operation, ahead);
    };
    const takeBackAll = (made: readonly ReadObject[], version: number) =>
      takeBack(view, { kind: "made", made: [...made], notShown: true }, version, view.count());
    const writing = {
      prepare: prepared,
      change: (operation: ChangeOperation) => this.change(operation, false),
      takeBack: takeBackAll,
      remove: (objects: readonly ReadObject[]) => remove(view, objects),
    };
    return writeBatch(view, writing, operations);
  }

  /** Whether the token shows what another process has begun, and whether the path is what was wanted. */
  look({ path, begun: { journal, make: digests }, wanted }: LookOperation): Answer {
    const reading = this.#view.objectsOf(path);
    if (reading === "stale") return { kind: "stale" };
    const journals = reading.objects.filter(({ application }) => application === JOURNAL_APPLICATION);
    const shown = new Set(reading.objects.map(digestOf));
    const isShown = digests.every((digest) => shown.has(digest)) && (!journal || journals.length > 0);
    const decoded = decodeSecret(path, reading.objects, reading.unread);
    const held = decoded.kind === "found" ? decoded.checksum : decoded.kind === "absent" ? null : undefined;
    return { kind: "looked", shown: isShown, wanted: held === wanted, objects: this.#view.count() };
  }

  /** Removes what a cut write has left at the path, and before that the objects with these digests. */
  async tidy(path: string, digests: readonly string[] = []): Promise<Answer> {
    const reading = this.#view.objectsOf(path);
    if (reading === "stale") return { kind: "stale" };
    await removeLeftovers(
      this.#view,
      [...reading.objects, ...reading.distrusted].filter((object) => digests.includes(digestOf(object))),
    );
    const there = await settle(this.#view, path);
    return there === "stale" ? { kind: "stale" } : { kind: "tidied" };
  }

  /** Takes back what the last change of the path made and nobody confirmed. */
  async undo(path: string): Promise<Answer> {
    const made = this.#unconfirmed?.path === path ? this.#unconfirmed.made : [];
    this.#unconfirmed = undefined;
    await remove(this.#view, [...made].reverse());
    return { kind: "undone" };
  }

  /** Completes or undoes what writes that were cut have left on the token. */
  async recover(): Promise<Answer> {
    const paths: string[] = [];
    for (const path of this.#view.unsettled()) {
      await this.tidy(path);
      if (!this.#view.unsettled().includes(path)) paths.push(path);
    }
    return { kind: "recovered", paths };
  }

  /** Mends what is wrong on the token, or, with `dryRun`, only names it. */
  repair(dryRun: boolean): Promise<Answer> {
    return repairToken(this.#view, {
      tidy: (path) => this.tidy(path),
      remove: (objects) => remove(this.#view, objects),
      dryRun,
    });
  }
}
