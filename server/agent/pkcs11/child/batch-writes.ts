// SPDX-License-Identifier: Apache-2.0
// Makes many changes in one go: secrets that are new and take one object each share the listings that a write needs, one before and
// one after. Runs in the child.
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
  /** Takes back an object that the token does not show, and says so. */
  takeBack(object: ReadObject, version: number): Promise<BatchAnswer>;
  remove(object: ReadObject): Promise<void>;
};

/** An object that is on the token, and that nobody has looked at yet. */
type Unseen = { at: number; object: ReadObject; planned: Planned };

/** Whether a cut can leave nothing but the whole secret or none: one object, which replaces nothing. */
const isSingleCreation = ({ plan, distrusted, outcome }: Planned): boolean =>
  plan.journal === undefined &&
  plan.make.length === 1 &&
  plan.remove.length === 0 &&
  distrusted.length === 0 &&
  outcome.kind === "written" &&
  outcome.outcome === "created";

/** One batch, of different paths. */
class Batch {
  readonly #view: WriterView;
  readonly #writing: Writing;
  readonly answers: BatchAnswer[] = [];
  #unseen: Unseen[] = [];
  #isUpToDate = false;

  constructor(view: WriterView, writing: Writing) {
    this.#view = view;
    this.#writing = writing;
  }

  async add(operation: ChangeOperation, at: number): Promise<void> {
    const planned = await this.#writing.prepare(operation, this.#isUpToDate, this.#unseen.length);
    this.#isUpToDate = true;
    if (planned.kind !== "planned") this.answers[at] = planned;
    else if (!isSingleCreation(planned)) await this.#alone(operation, at);
    else if (!(await this.#create(planned, at))) await this.#alone(operation, at);
  }

  /** Looks at all that was made since the last look. What the token does not show, or shows beside another's, did not take place. */
  async settle(): Promise<void> {
    const unseen = this.#unseen;
    this.#unseen = [];
    if (unseen.length === 0) return;
    const view = this.#view;
    const handles = findDataObjects(view.session);
    const keys = new Set(handles.map(handleKey));
    const isListed = ({ object }: Unseen): boolean => keys.has(handleKey(object.handle));
    for (const one of unseen) if (isListed(one)) view.made(one.object);
    await view.seen(handles);
    for (const { at, object, planned } of unseen) {
      if (!keys.has(handleKey(object.handle))) {
        this.answers[at] = await this.#writing.takeBack(object, planned.version);
      } else if (this.#holdsAlone(object)) this.answers[at] = planned.outcome;
      else {
        await this.#writing.remove(object);
        this.answers[at] = { kind: "stale" };
      }
      await view.pace();
    }
  }

  async #alone(operation: ChangeOperation, at: number): Promise<void> {
    await this.settle();
    this.answers[at] = await this.#writing.change(operation);
  }

  /** False: the token did not take it, and nothing of it is there. */
  async #create(planned: Planned, at: number): Promise<boolean> {
    const [wanted] = planned.plan.make;
    if (wanted === undefined) return false;
    try {
      const object = await make(this.#view, wanted, this.#unseen.length === 0);
      this.#unseen.push({ at, object, planned });
      return true;
    } catch (error) {
      if (!(error instanceof CkrError)) throw error;
      return false;
    }
  }

  /** Whether the path has this object, with its value as the token gives it, and no other. */
  #holdsAlone({ label, value }: ReadObject): boolean {
    const reading = this.#view.objectsOf(label);
    if (reading === "stale" || reading.unread.length > 0) return false;
    const [only, ...others] = reading.objects.filter((object) => object.label === label);
    return only !== undefined && others.length === 0 && Buffer.compare(only.value, value) === 0;
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
