// SPDX-License-Identifier: Apache-2.0
// Defines the writer's access to the attached token, and what it reports of its work.
import type { Session } from "graphene-pk11";
import type { Trusted } from "../../storage/trust.ts";
import type { IndexedObject } from "./label-index.ts";
import type { ModuleWays } from "./module-ways.ts";
import type { ReadObject } from "./objects.ts";

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
