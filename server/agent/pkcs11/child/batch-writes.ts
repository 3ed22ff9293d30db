// SPDX-License-Identifier: Apache-2.0
// Makes many changes in one go: secrets that are new share the listings that a write needs. Runs in the child.
import type { Answer, BatchAnswer } from "../answers.ts";
import type { ChangeOperation } from "../messages.ts";
import { handleKey } from "./label-index.ts";
import { CkrError, findDataObjects, type ReadObject } from "./module-calls.ts";
import { make, type WriterView } from "./object-writes.ts";
import type { Planned } from "./writer.ts";

/** What the batch has of the writer. */
type Writing = {
  /** `upToDate`: the view was compared with the token for this batch; `ahead`: objects that it does not count yet. */
  prepare(operation: ChangeOperation, upToDate: boolean, ahead: number): Promise<Planned | BatchAnswer>;
  /** One change, on its own. */
  change(operation: ChangeOperation): Promise<BatchAnswer>;
  /** Takes back objects of a secret, in the order in which they were made, that the token does not show, and says so. */
  takeBack(made: readonly ReadObject[], version: number): Promise<BatchAnswer>;
  remove(objects: readonly ReadObject[]): Promise<void>;
};

/**
 * A secret of which the first object is on the token, which nobody has looked at yet: all of it, or its journal. `made` is in the
 * order of making.
 */
type Begun = { at: number; operation: ChangeOperation; planned: Planned; made: ReadObject[] };

/**
 * Whether a cut can leave nothing but the whole secret or none: it replaces nothing, and is one object, or has a journal of its
 * own, as it has when it is written by itself.
 */
const isCreation = ({ plan, distrusted, isEmpty, outcome }: Planned): boolean =>
  plan.remove.length === 0 &&
  distrusted.length === 0 &&
  (plan.journal === undefined ? plan.make.length === 1 : isEmpty) &&
  outcome.kind === "written" &&
  outcome.outcome === "created";

const isJournaled = ({ planned: { plan } }: Begun): boolean => plan.journal !== undefined;

/** Whether an object of one path can have a label that a read of the other takes for its own. */
const isBeside = (path: string, other: string): boolean =>
  path === other || path.startsWith(`${other}/`) || other.startsWith(`${path}/`);

/**
 * One batch, of different paths. What has a journal is made in steps that all of them take together: the journals, a look, the
 * objects, a look, the journals' end. So each path goes through what a write of its own goes through.
 */
class Batch {
  readonly #view: WriterView;
  readonly #writing: Writing;
  readonly answers: BatchAnswer[] = [];
  #begun: Begun[] = [];
  /** Objects that what was begun has, or will have, beside those that the view counts. */
  #ahead = 0;
  #isUpToDate = false;
  /** Those that the token did not take, or does not show, beside the journals of the others. Nothing of them is left. */
  #crowdedOut: Begun[] = [];

  constructor(view: WriterView, writing: Writing) {
    this.#view = view;
    this.#writing = writing;
  }

  async add(operation: ChangeOperation, at: number): Promise<void> {
    // It has to see what such a one makes: a cut could leave both, and a mixture where they meet.
    const isMet = (one: Begun): boolean => isJournaled(one) && isBeside(one.operation.path, operation.path);
    if (this.#begun.some(isMet)) await this.settle();
    const planned = await this.#writing.prepare(operation, this.#isUpToDate, this.#ahead);
    this.#isUpToDate = true;
    // The journals of the others are in the way for a while only.
    if (planned.kind === "refused" && this.#begun.some(isJournaled)) await this.#alone(operation, at);
    else if (planned.kind !== "planned") this.answers[at] = planned;
    else if (!isCreation(planned)) await this.#alone(operation, at);
    else if (!(await this.#begin(operation, planned, at))) await this.#alone(operation, at);
  }

  /** Completes all that was begun since the last time. What the token does not show, or shows beside another's, did not take place. */
  async settle(): Promise<void> {
    const begun = this.#begun;
    this.#begun = [];
    this.#ahead = 0;
    if (begun.length === 0) return;
    const single = begun.filter((one) => !isJournaled(one));
    const journaled = begun.filter(isJournaled);
    const whole = await this.#makeRest(journaled);
    for (const one of await this.#held([...single, ...whole], journaled.length > 0)) {
      const { at, planned, made } = one;
      if (isJournaled(one)) await this.#writing.remove(made.slice(0, 1));
      this.answers[at] = planned.outcome;
    }
    for (const { at, operation } of this.#crowdedOut.splice(0)) {
      this.answers[at] = await this.#writing.change(operation);
    }
  }

  async #alone(operation: ChangeOperation, at: number): Promise<void> {
    await this.settle();
    this.answers[at] = await this.#writing.change(operation);
  }

  /** False: the token did not take it, and nothing of it is there. */
  async #begin(operation: ChangeOperation, planned: Planned, at: number): Promise<boolean> {
    const { journal, make: objects } = planned.plan;
    const [first = journal] = journal === undefined ? objects : [journal];
    if (first === undefined) return false;
    try {
      const object = await make(this.#view, first, this.#begun.length === 0);
      this.#begun.push({ at, operation, planned, made: [object] });
      this.#ahead += objects.length + (journal === undefined ? 0 : 1);
      return true;
    } catch (error) {
      if (!(error instanceof CkrError)) throw error;
      return false;
    }
  }

  /** Makes the objects that the journals explain, once the token shows the journals. Answers those of which all are made. */
  async #makeRest(journaled: readonly Begun[]): Promise<Begun[]> {
    const whole: Begun[] = [];
    for (const one of await this.#held(journaled, true)) {
      if (await this.#makeObjects(one)) whole.push(one);
      else await this.#crowd(one);
    }
    return whole;
  }

  async #crowd(one: Begun): Promise<void> {
    await this.#writing.remove(one.made.toReversed());
    this.#crowdedOut.push(one);
  }

  /** False: the token did not take all of them. */
  async #makeObjects({ planned, made }: Begun): Promise<boolean> {
    try {
      for (const object of planned.plan.make) made.push(await make(this.#view, object, false));
      return true;
    } catch (error) {
      if (!(error instanceof CkrError)) throw error;
      return false;
    }
  }

  /**
   * Those that the token shows with their values, and beside nothing else at their paths. The others are taken back, and answered, or,
   * where it is `crowded` by journals, to be written by themselves.
   */
  async #held(begun: readonly Begun[], crowded: boolean): Promise<Begun[]> {
    if (begun.length === 0) return [];
    const view = this.#view;
    const handles = findDataObjects(view.session);
    const keys = new Set(handles.map(handleKey));
    const isListed = ({ handle }: ReadObject): boolean => keys.has(handleKey(handle));
    for (const object of begun.flatMap(({ made }) => made)) if (isListed(object)) view.made(object);
    await view.seen(handles);
    const held: Begun[] = [];
    for (const one of begun) {
      const { at, planned, made } = one;
      const isShown = made.every(isListed);
      if (!isShown && crowded) await this.#crowd(one);
      else if (!isShown) this.answers[at] = await this.#writing.takeBack(made, planned.version);
      else if (this.#holdsAlone(one)) held.push(one);
      else {
        await this.#writing.remove(made.toReversed());
        this.answers[at] = { kind: "stale" };
      }
      await view.pace();
    }
    return held;
  }

  /** Whether the path has what was made, with the values as the token gives them, and nothing else. */
  #holdsAlone(one: Begun): boolean {
    const { operation, made } = one;
    const reading = this.#view.objectsOf(operation.path);
    if (reading === "stale" || reading.unread.length > 0) return false;
    // A packed secret may stand beside objects of the other layout.
    const there = reading.objects.filter(({ label }) => isJournaled(one) || label === operation.path);
    const isThere = ({ handle, value }: ReadObject): boolean =>
      there.some((other) => other.handle.equals(handle) && Buffer.compare(other.value, value) === 0);
    return there.length === made.length && made.every(isThere);
  }
}

/** Makes `operations` in order, and answers each. A path that changed under its write is answered `stale`. */
export const writeBatch = async (
  view: WriterView,
  writing: Writing,
  operations: readonly ChangeOperation[],
): Promise<Extract<Answer, { kind: "batch" }>> => {
  const batch = new Batch(view, writing);
  for (const [at, operation] of operations.entries()) await batch.add(operation, at);
  await batch.settle();
  return { kind: "batch", answers: batch.answers };
};
