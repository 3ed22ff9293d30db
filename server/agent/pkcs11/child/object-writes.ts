// SPDX-License-Identifier: Apache-2.0
// Creates the objects of a write and destroys those that it replaces, one module call after another. Runs in the child.
import type { Session } from "graphene-pk11";
import type { TokenObject } from "../../storage/path.ts";
import type { Trusted } from "../../storage/trust.ts";
import type { WritePlan } from "../../storage/write-plan.ts";
import type { Answer } from "../answers.ts";
import { CKR_USER_NOT_LOGGED_IN, ckrName, isSessionOver, isWriteProtected } from "../ckr.ts";
import type { MakingFailure } from "../write-refusals.ts";
import { handleKey, type IndexedObject } from "./label-index.ts";
import {
  CkrError,
  createObject,
  destroyObject,
  findDataObjects,
  type ReadObject,
  readObject,
} from "./module-calls.ts";
import type { ModuleQuirks } from "./module-quirks.ts";

/** The view of the token that a writer works on and keeps true. */
export type WriterView = {
  readonly session: Session;
  readonly quirks: ModuleQuirks;
  logInAgain(): Promise<void>;
  /** Brings the view up to date with other processes' writes as far as that is cheap. */
  catchUp(path: string): Promise<void>;
  /** All objects of a path that are believed, with their values, those whose values can't be read, and those that are not believed. */
  objectsOf(path: string): Trusted<IndexedObject, ReadObject> | "stale";
  /** The paths at which a cut write may have left something. */
  unsettled(): string[];
  /** Objects of the whole token whose values can't be read, and those whose names are damaged. */
  unreadable(): IndexedObject[];
  damaged(): IndexedObject[];
  /** How many data objects the token holds. */
  count(): number;
  /** All handles that the token has shown since the last `made` and `removed`. */
  seen(handles: readonly Buffer[]): Promise<void>;
  made(object: ReadObject): void;
  removed(object: IndexedObject): void;
  /** The token did not remove it: whether it can still be read is not known. */
  notRemoved(object: IndexedObject): void;
  /** To be awaited between calls of the module: keeps the agent's watch patient and lets reads in between. */
  pace(): Promise<void>;
};

/** The new objects as far as they were made, the journal first. `failed` ended it. */
export type Made = {
  kind: "made";
  made: ReadObject[];
  handles?: Buffer[];
  failed?: MakingFailure;
  notShown?: boolean;
};

type Protected = Extract<Answer, { kind: "protected" }>;

/** A session that another process has ended on the card is begun again, once, as long as nothing has been made. */
export const make = async (view: WriterView, object: TokenObject, isFirst: boolean): Promise<ReadObject> => {
  let handle: Buffer;
  try {
    handle = createObject(view.session, object);
  } catch (error) {
    if (!isFirst || !(error instanceof CkrError) || error.value !== CKR_USER_NOT_LOGGED_IN) throw error;
    await view.logInAgain();
    handle = createObject(view.session, object);
  }
  await view.pace();
  return { ...object, handle };
};

/** Removes objects from the token and from the view. */
export const remove = async (view: WriterView, objects: readonly IndexedObject[]): Promise<void> => {
  for (const object of objects) {
    destroyObject(view.session, object.handle);
    view.removed(object);
    await view.pace();
  }
};

/** The same where nothing depends on it any more: stops at the first object that the token does not remove. */
export const removeLeftovers = async (view: WriterView, objects: readonly IndexedObject[]): Promise<void> => {
  for (const object of objects) {
    try {
      await remove(view, [object]);
    } catch (error) {
      if (!(error instanceof CkrError) || isSessionOver(error.value)) throw error;
      return view.notRemoved(object);
    }
  }
};

/**
 * All handles of the token, if it finds the objects again, with the values that they were given; undefined where it
 * does not. A module that caches is not asked for the values: it would tell what it was told.
 */
const shownWith = ({ session, quirks }: WriterView, objects: readonly ReadObject[]): Buffer[] | undefined => {
  const handles = findDataObjects(session);
  const shown = new Set(handles.map(handleKey));
  const isShown = (object: ReadObject): boolean => {
    if (!shown.has(handleKey(object.handle))) return false;
    if (quirks.cache === "cached") return true;
    const again = readObject(session, object);
    return typeof again === "object" && Buffer.compare(again.value, object.value) === 0;
  };
  return objects.every(isShown) ? handles : undefined;
};

/** What the failure of making `object`, after `made`, comes to. Anything but an error of the module is thrown on. */
const afterFailure = (
  error: unknown,
  object: TokenObject,
  made: ReadObject[],
  objects: number,
): Made | Protected => {
  if (!(error instanceof CkrError)) throw error;
  if (isWriteProtected(error.value)) return { kind: "protected", ckr: ckrName(error.value) };
  const { value: ckr, call } = error;
  return { kind: "made", made, failed: { ckr, call, bytes: object.value.length, objects } };
};

/** Makes all new objects of a plan and looks at them, up to the first failure. Its caller tells the view of them. */
export const makeAll = async (view: WriterView, plan: WritePlan<ReadObject>): Promise<Made | Protected> => {
  const made: ReadObject[] = [];
  if (plan.journal === undefined && plan.make.length === 0) return { kind: "made", made };
  const before = view.count();
  for (const object of plan.journal === undefined ? plan.make : [plan.journal, ...plan.make]) {
    try {
      made.push(await make(view, object, made.length === 0));
    } catch (error) {
      return afterFailure(error, object, made, before + made.length);
    }
    // Nothing else may be made that only a journal explains before the token shows the journal.
    if (object === plan.journal && shownWith(view, made) === undefined) {
      return { kind: "made", made, notShown: true };
    }
  }
  const handles = shownWith(view, made);
  return handles === undefined ? { kind: "made", made, notShown: true } : { kind: "made", made, handles };
};
