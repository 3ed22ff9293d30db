// SPDX-License-Identifier: Apache-2.0
// Writing one secret on an attached token: whole or not at all, whatever ends the process in between. Runs in the child.
import type { Session } from "graphene-pk11";
import { checksum } from "../../../hooks/checksum.ts";
import { type Content, contentAfter } from "../content-after.ts";
import { digestOf } from "../storage/journal.ts";
import { withoutLeftovers } from "../storage/leftovers.ts";
import { JOURNAL_APPLICATION, type TokenObject } from "../storage/path.ts";
import { type Decoded, decodeSecret, highestVersion } from "../storage/secret.ts";
import { planWrite, type WritePlan } from "../storage/write-plan.ts";
import type { Change, Secret } from "../store.ts";
import { ckrName, isNoRoom, isWriteProtected } from "./ckr.ts";
import { handleKey, type IndexedObject } from "./label-index.ts";
import type { Answer, BegunWrite, ChangeOperation } from "./messages.ts";
import { CkrError } from "./module-call.ts";
import {
  createObject,
  destroyObject,
  findDataObjects,
  type ReadObject,
  readObject,
} from "./token-objects.ts";

/** The view of the token that a writer works on and keeps true. */
export type WriterView = {
  readonly session: Session;
  /** Brings the view up to date with other processes' writes as far as that is cheap. */
  catchUp(path: string): Promise<void>;
  /** All objects of a path with their values. */
  objectsOf(path: string): ReadObject[] | "stale" | "unreadable";
  /** The paths at which a cut write may have left something. */
  unsettled(): string[];
  /** How many data objects the token holds. */
  count(): number;
  /** All handles that the token has shown since the last `made` and `removed`. */
  seen(handles: readonly Buffer[]): Promise<void>;
  made(object: IndexedObject): void;
  removed(handle: Buffer): void;
  /** To be awaited between calls of the module: keeps the agent's watch patient and lets reads in between. */
  pace(): Promise<void>;
};

export type TokenWriter = {
  /**
   * Makes one change. With `confirm` it stops before anything old is removed, for another process to look whether the
   * token really shows what was made.
   */
  change(operation: ChangeOperation, confirm: boolean): Promise<Answer>;
  settle(path: string, begun: BegunWrite): Promise<Answer>;
  undo(path: string): Promise<Answer>;
  recover(): Promise<Answer>;
};

type Wanted = Content & { layout: Secret["layout"]; version: number };
type Outcome = Extract<Answer, { kind: "written" | "deleted" }>;

const changeOf = ({ change }: ChangeOperation): Change =>
  change.type === "put" || change.type === "patch"
    ? change.type === "put"
      ? { type: "put", data: new Map(change.data), ...(change.metadata && { metadata: change.metadata }) }
      : { type: "patch", data: new Map(change.data), ...(change.metadata && { metadata: change.metadata }) }
    : change;

const largestOf = (objects: readonly TokenObject[]): number =>
  Math.max(0, ...objects.map(({ value }) => value.length));

/** Whether the change makes sense where what is there can't be understood: it replaces or removes all of it. */
const isRepair = ({ change, precondition }: ChangeOperation): boolean =>
  (change.type === "put" || change.type === "delete") &&
  precondition.ifMatch === undefined &&
  precondition.ifNoneMatch === undefined;

/** The writer of one view. Its operations must not overlap. */
export const createTokenWriter = (view: WriterView): TokenWriter => {
  const { session } = view;
  /** What was made for writes that wait for their confirmation. */
  const begun = new Map<string, ReadObject[]>();

  const make = async (object: TokenObject): Promise<ReadObject> => {
    const handle = createObject(session, object);
    await view.pace();
    return { ...object, handle };
  };

  const remove = async (objects: readonly ReadObject[]): Promise<void> => {
    for (const { handle } of objects) {
      destroyObject(session, handle);
      view.removed(handle);
      await view.pace();
    }
  };

  /**
   * All handles of the token, if it finds the objects again, with the values that they were given; undefined where it
   * does not.
   */
  const shownWith = (objects: readonly ReadObject[]): Buffer[] | undefined => {
    const handles = findDataObjects(session);
    const shown = new Set(handles.map(handleKey));
    const isShown = (object: ReadObject): boolean => {
      if (!shown.has(handleKey(object.handle))) return false;
      const again = readObject(session, object);
      return typeof again === "object" && Buffer.compare(again.value, object.value) === 0;
    };
    return objects.every(isShown) ? handles : undefined;
  };

  /** Removes the new objects, the journal as the last: it was made first. */
  const undoMade = (made: readonly ReadObject[]): Promise<void> => remove([...made].reverse());

  type Made =
    | { kind: "made"; made: ReadObject[]; handles?: Buffer[] }
    | Extract<Answer, { kind: "refused" | "protected" }>;

  /** Makes all new objects and looks at them, or leaves the token as it was. */
  const makeAll = async (plan: WritePlan<ReadObject>, version: number): Promise<Made> => {
    const made: ReadObject[] = [];
    if (plan.journal === undefined && plan.make.length === 0) return { kind: "made", made };
    const before = view.count();
    const notShown = async (bytes: number): Promise<Made> => {
      await undoMade(made);
      const message = `the token took an object and then did not show it; it shows ${before} objects. The write was undone. Delete secrets, or move them to the packed layout (kubectl hsm repack)`;
      return {
        kind: "refused",
        code: "WRITE_NOT_SHOWN",
        message,
        learned: { objects: before, bytes },
        version,
      };
    };
    for (const object of plan.journal === undefined ? plan.make : [plan.journal, ...plan.make]) {
      try {
        made.push(await make(object));
      } catch (error) {
        if (!(error instanceof CkrError)) throw error;
        if (isWriteProtected(error.value)) return { kind: "protected", ckr: ckrName(error.value) };
        const objects = before + made.length;
        await undoMade(made);
        if (!isNoRoom(error.value)) throw error;
        const bytes = object.value.length;
        const message = `the token did not take an object of ${bytes} bytes beside the ${objects} that it holds (${error.call} returned ${ckrName(error.value)}); nothing was changed. Delete secrets, or move them to the packed layout (kubectl hsm repack)`;
        return { kind: "refused", code: "TOKEN_FULL", message, learned: { objects, bytes }, version };
      }
      // Nothing else may be made that only a journal explains before the token shows the journal.
      if (object === plan.journal && shownWith(made) === undefined) return notShown(object.value.length);
    }
    const handles = shownWith(made);
    return handles === undefined ? notShown(largestOf(made)) : { kind: "made", made, handles };
  };

  /** What is to be removed goes; then the journal. */
  const complete = async (plan: WritePlan<ReadObject>, made: readonly ReadObject[]): Promise<void> => {
    const journals = made.filter(({ application }) => application === JOURNAL_APPLICATION);
    await remove(plan.remove);
    await remove(journals);
  };

  /** What counts at the path, once what a cut write has left there is gone. */
  const settled = async (path: string): Promise<ReadObject[] | "stale" | { invalid: string }> => {
    const found = view.objectsOf(path);
    if (found === "stale") return found;
    if (found === "unreadable")
      return { invalid: `${path}: the token does not let an object's value be read` };
    const result = withoutLeftovers(path, found);
    if (result.kind === "invalid") return { invalid: result.message };
    await remove(result.surplus);
    return result.objects;
  };

  const outcomeOf = (current: Decoded, wanted: Wanted | undefined, change: Change): Outcome => {
    const before = current.kind === "found" ? current.checksum : null;
    if (wanted === undefined) return { kind: "deleted", before };
    const { data, version } = wanted;
    const outcome = change.type === "repack" ? "repacked" : current.kind === "absent" ? "created" : "changed";
    return {
      kind: "written",
      outcome,
      before,
      checksum: checksum(data),
      version,
      keys: [...data.keys()].sort(),
    };
  };

  const change = async (operation: ChangeOperation, confirm: boolean): Promise<Answer> => {
    const { path, limits, precondition } = operation;
    await view.catchUp(path);
    const objects = await settled(path);
    if (objects === "stale") return { kind: "stale" };
    if (!Array.isArray(objects)) return { kind: "invalid", message: objects.invalid };
    const current = decodeSecret(path, objects);
    if (current.kind === "invalid" && !isRepair(operation)) return current;
    const asked = changeOf(operation);
    const intent =
      current.kind === "invalid" && asked.type === "delete"
        ? { kind: "delete" as const }
        : contentAfter(current.kind === "found" ? current : undefined, asked, precondition);
    if (intent.kind === "done") return intent.result;
    const version = Math.max(highestVersion(path, objects), operation.versionFloor) + 1;
    const wanted: Wanted | undefined =
      intent.kind === "delete"
        ? undefined
        : {
            data: intent.content.data,
            metadata: {
              ...(current.kind !== "found" && { createdAt: operation.now }),
              ...intent.content.metadata,
            },
            layout: intent.layout ?? operation.layout,
            version,
          };
    const used = view.count();
    const plan = planWrite({ path, objects, ...(wanted && { content: wanted }), used, limits });
    if (plan.kind === "refused") return plan;
    const result = await makeAll(plan, version);
    if (result.kind !== "made") return result;
    const { made, handles } = result;
    const outcome = outcomeOf(current, wanted, asked);
    if (confirm && made.length > 0) {
      begun.set(path, made);
      const journal = plan.journal !== undefined;
      return {
        kind: "begun",
        begun: { journal, make: plan.make.map(digestOf), remove: plan.remove.map(digestOf) },
        result: outcome,
        largestBytes: largestOf(made),
        version,
      };
    }
    for (const object of made) view.made(object);
    if (handles !== undefined) await view.seen(handles);
    await complete(plan, made);
    return outcome;
  };

  return {
    change,
    settle: async (path, { journal, make: digests, remove: gone }) => {
      const objects = view.objectsOf(path);
      if (typeof objects === "string") return { kind: "stale" };
      const journals = objects.filter(({ application }) => application === JOURNAL_APPLICATION);
      const shown = new Set(objects.map(digestOf));
      const isShown = digests.every((digest) => shown.has(digest)) && (!journal || journals.length > 0);
      if (isShown) {
        await remove(objects.filter((object) => gone.includes(digestOf(object))));
        await remove(journals);
      }
      return { kind: "settled", shown: isShown, objects: view.count() };
    },
    undo: async (path) => {
      const made = begun.get(path) ?? [];
      begun.delete(path);
      await undoMade(made);
      return { kind: "undone" };
    },
    recover: async () => {
      const paths: string[] = [];
      for (const path of view.unsettled()) {
        await settled(path);
        if (!view.unsettled().includes(path)) paths.push(path);
      }
      return { kind: "recovered", paths };
    },
  };
};
