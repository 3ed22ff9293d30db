// SPDX-License-Identifier: Apache-2.0
// Writing one secret on an attached token: whole or not at all, whatever ends the process in between. Runs in the child.
import type { Session } from "graphene-pk11";
import { checksum } from "../../../../hooks/checksum.ts";
import { contentAfter } from "../../content-after.ts";
import { digestOf } from "../../storage/journal.ts";
import { withoutLeftovers } from "../../storage/leftovers.ts";
import { JOURNAL_APPLICATION, type TokenObject } from "../../storage/path.ts";
import { isShared } from "../../storage/per-key.ts";
import { countUnread, type Decoded, decodeSecret, highestVersion } from "../../storage/secret.ts";
import { decodeTrusted, type Trusted } from "../../storage/trust.ts";
import {
  type PlannedContent,
  type PlanRequest,
  planWrite,
  type WritePlan,
} from "../../storage/write-plan.ts";
import type { Change } from "../../store.ts";
import type { Answer } from "../answers.ts";
import { isNoRoom } from "../ckr.ts";
import type { ChangeOperation, Operation } from "../messages.ts";
import { refusalNoRoom, refusalNotShown } from "../write-refusals.ts";
import type { IndexedObject } from "./label-index.ts";
import { createObjectMaker, type Made } from "./making.ts";
import { CkrError } from "./module-call.ts";
import type { ModuleWays } from "./module-ways.ts";
import type { ReadObject } from "./objects.ts";
import { repairToken } from "./repair.ts";

/** The view of the token that a writer works on and keeps true. */
export type WriterView = {
  readonly session: Session;
  readonly ways: ModuleWays;
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

export type TokenWriter = {
  /**
   * Makes one change. With `confirm` it stops before anything old is removed, or at the first failure, for another process
   * to look what the token really shows.
   */
  change(operation: ChangeOperation, confirm: boolean): Promise<Answer>;
  look(operation: Extract<Operation, { type: "look" }>): Answer;
  tidy(path: string, remove: readonly string[]): Promise<Answer>;
  /** Takes back what the last change of the path made and nobody confirmed. */
  undo(path: string): Promise<Answer>;
  recover(): Promise<Answer>;
  repair(dryRun: boolean): Promise<Answer>;
};

type Wanted = PlannedContent;
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
  const { ways } = view;
  const { makeAll, remove, removeLeftovers } = createObjectMaker(view);
  /** What was made for a write that waits for its confirmation. */
  let unconfirmed: { path: string; made: readonly ReadObject[] } | undefined;

  /** Takes back what was made, the journal as the last, and says why: for modules that show what is there. */
  const undone = async ({ made, failed }: Made, version: number, before: number): Promise<Answer> => {
    await remove([...made].reverse());
    if (failed === undefined) return refusalNotShown(before, largestOf(made), version);
    const { ckr, call, bytes, objects } = failed;
    if (!isNoRoom(ckr)) throw new CkrError(ckr, call);
    return refusalNoRoom({ ckr, call, bytes, objects }, version);
  };

  /** What is to be removed goes; then the journal. */
  const complete = async (
    plan: WritePlan<ReadObject>,
    made: readonly ReadObject[],
    distrusted: readonly ReadObject[],
  ): Promise<void> => {
    const journals = made.filter(({ application }) => application === JOURNAL_APPLICATION);
    await remove(plan.remove);
    await remove(journals);
    await remove(distrusted);
  };

  type SettledPath = {
    objects: ReadObject[];
    standing: ReadObject[];
    unread: IndexedObject[];
    distrusted: ReadObject[];
  };

  /** What counts at the path, once what a cut write has left there is gone. */
  const settled = async (path: string): Promise<SettledPath | "stale" | { invalid: string }> => {
    const reading = view.objectsOf(path);
    if (reading === "stale") return reading;
    const { objects, unread, distrusted } = reading;
    const result = withoutLeftovers(path, objects, countUnread(unread));
    if (result.kind === "invalid") return { invalid: result.message };
    await removeLeftovers(result.surplus);
    return { objects: result.objects, standing: result.standing, unread, distrusted };
  };

  const outcomeOf = (current: Decoded, wanted: Wanted | undefined, change: Change): Outcome => {
    const before = current.kind === "found" ? current.checksum : null;
    if (wanted === undefined || wanted.data.size === 0) return { kind: "deleted", before };
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

  /** The content and layout that the path shall have, undefined for none; or the answer where nothing is to be written. */
  const wantedOf = (
    operation: ChangeOperation,
    current: Decoded,
    objects: readonly ReadObject[],
  ): { wanted: Wanted | undefined; version: number } | Answer => {
    const asked = changeOf(operation);
    const intent =
      current.kind === "invalid" && asked.type === "delete"
        ? { kind: "delete" as const }
        : contentAfter(current.kind === "found" ? current : undefined, asked, operation.precondition);
    if (intent.kind === "done") return intent.result;
    const version = Math.max(highestVersion(operation.path, objects), operation.versionFloor) + 1;
    const shared = isShared(operation.path, objects) ? { timestamp: operation.now } : {};
    if (intent.kind === "delete") {
      const tombstone = { data: new Map(), metadata: {}, layout: "per-key", version, ...shared } as const;
      return { wanted: "timestamp" in shared ? tombstone : undefined, version };
    }
    const { data, metadata } = intent.content;
    const layout = intent.layout ?? operation.layout;
    const created = current.kind === "found" ? {} : { createdAt: operation.now };
    return { wanted: { data, metadata: { ...created, ...metadata }, layout, version, ...shared }, version };
  };

  const change = async (operation: ChangeOperation, confirm: boolean): Promise<Answer> => {
    const { path, limits } = operation;
    await view.catchUp(path);
    const there = await settled(path);
    if (there === "stale") return { kind: "stale" };
    if ("invalid" in there) return { kind: "invalid", message: there.invalid };
    const { objects, standing, unread, distrusted } = there;
    const current = decodeTrusted(path, { objects: [...objects, ...standing], unread, distrusted });
    if (current.kind === "invalid" && !isRepair(operation)) return current;
    const next = wantedOf(operation, current, objects);
    if ("kind" in next) return next;
    const { wanted, version } = next;
    const used = view.count();
    const content = wanted && { content: wanted };
    const request = { path, objects, standing, unread: countUnread(unread), used, limits, ways };
    const plan = planOf({ ...request, ...content });
    if (plan.kind === "refused") return plan;
    const result = await makeAll(plan);
    if (result.kind === "protected") return result;
    const { made, handles, failed, notShown = false } = result;
    const outcome = outcomeOf(current, wanted, changeOf(operation));
    if (confirm && (made.length > 0 || failed !== undefined)) {
      const begun = {
        journal: plan.journal !== undefined,
        make: plan.make.map(digestOf),
        remove: [...plan.remove, ...distrusted].map(digestOf),
      };
      unconfirmed = { path, made };
      const largestBytes = largestOf(plan.journal ? [plan.journal, ...plan.make] : plan.make);
      return { kind: "begun", begun, result: outcome, largestBytes, version, ...(failed && { failed }) };
    }
    if (failed !== undefined || notShown) return undone(result, version, used);
    for (const object of made) view.made(object);
    if (handles !== undefined) await view.seen(handles);
    await complete(plan, made, distrusted);
    return outcome;
  };

  const tidy = async (path: string, digests: readonly string[] = []): Promise<Answer> => {
    const reading = view.objectsOf(path);
    if (reading === "stale") return { kind: "stale" };
    await removeLeftovers(
      [...reading.objects, ...reading.distrusted].filter((object) => digests.includes(digestOf(object))),
    );
    const there = await settled(path);
    return there === "stale" ? { kind: "stale" } : { kind: "tidied" };
  };

  const recover = async (): Promise<Answer> => {
    const paths: string[] = [];
    for (const path of view.unsettled()) {
      await tidy(path);
      if (!view.unsettled().includes(path)) paths.push(path);
    }
    return { kind: "recovered", paths };
  };

  return {
    change,
    look: ({ path, begun: { journal, make: digests }, wanted }) => {
      const reading = view.objectsOf(path);
      if (reading === "stale") return { kind: "stale" };
      const journals = reading.objects.filter(({ application }) => application === JOURNAL_APPLICATION);
      const shown = new Set(reading.objects.map(digestOf));
      const isShown = digests.every((digest) => shown.has(digest)) && (!journal || journals.length > 0);
      const decoded = decodeSecret(path, reading.objects, reading.unread);
      const held = decoded.kind === "found" ? decoded.checksum : decoded.kind === "absent" ? null : undefined;
      return { kind: "looked", shown: isShown, wanted: held === wanted, objects: view.count() };
    },
    tidy,
    undo: async (path) => {
      const made = unconfirmed?.path === path ? unconfirmed.made : [];
      unconfirmed = undefined;
      await remove([...made].reverse());
      return { kind: "undone" };
    },
    recover,
    repair: (dryRun) => repairToken(view, { tidy, remove, dryRun }),
  };
};

/** The plan; where there is no room for a tombstone, one without. */
const planOf = (request: PlanRequest<ReadObject>): ReturnType<typeof planWrite<ReadObject>> => {
  const plan = planWrite(request);
  const { content, ...plain } = request;
  return plan.kind === "refused" && content?.data.size === 0 ? planWrite(plain) : plan;
};
