// SPDX-License-Identifier: Apache-2.0
// Stores objects in memory with their versions, and the history that watches replay.
import { copy } from "./json.ts";
import { type KubeObject, keyOf, storeKey } from "./kube-object.ts";

export type StoreEvent = {
  type: "ADDED" | "MODIFIED" | "DELETED";
  version: number;
  bucket: string;
  object: KubeObject;
  previous: KubeObject | undefined;
};

export type StoreListener = (event: StoreEvent) => void;

/** Holds copies: what goes in or comes out can be changed without touching what is stored. */
export class Store {
  #version = 1;
  #forgotten = 0;
  readonly #historyLimit: number;
  readonly #buckets = new Map<string, Map<string, KubeObject>>();
  readonly #listeners = new Set<StoreListener>();
  #history: StoreEvent[] = [];

  /** @param historyLimit events kept for watches that start in the past; older ones answer 410 */
  constructor(historyLimit = 10_000) {
    this.#historyLimit = historyLimit;
  }

  /** The version of the last change. */
  get version(): number {
    return this.#version;
  }

  get(bucket: string, namespace: string | undefined, name: string): KubeObject | undefined {
    return copy(this.#buckets.get(bucket)?.get(storeKey(namespace, name)));
  }

  /** The objects of a bucket in the order of their keys. */
  list(bucket: string, namespace?: string): KubeObject[] {
    const entries = [...(this.#buckets.get(bucket)?.entries() ?? [])];
    return entries
      .filter(([, object]) => namespace === undefined || object.metadata.namespace === namespace)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([, object]) => copy(object));
  }

  buckets(): string[] {
    return [...this.#buckets.keys()];
  }

  /** Stores an object under a new version, which the answer carries. */
  put(bucket: string, object: KubeObject): KubeObject {
    const stored = copy(object);
    const version = ++this.#version;
    stored.metadata.resourceVersion = String(version);
    const objects = this.#buckets.get(bucket) ?? new Map<string, KubeObject>();
    this.#buckets.set(bucket, objects);
    const previous = objects.get(keyOf(stored));
    objects.set(keyOf(stored), stored);
    this.#record({ type: previous ? "MODIFIED" : "ADDED", version, bucket, object: stored, previous });
    return copy(stored);
  }

  /** Removes an object; its last state gets the version of the removal. */
  remove(bucket: string, object: KubeObject): KubeObject | undefined {
    const objects = this.#buckets.get(bucket);
    const previous = objects?.get(keyOf(object));
    if (!objects || !previous) return undefined;
    objects.delete(keyOf(object));
    const version = ++this.#version;
    const last = copy(object);
    last.metadata.resourceVersion = String(version);
    this.#record({ type: "DELETED", version, bucket, object: last, previous });
    return copy(last);
  }

  /** The events after a version, or undefined where that is too long ago. */
  since(version: number): StoreEvent[] | undefined {
    if (version < this.#forgotten) return undefined;
    return this.#history.filter((event) => event.version > version);
  }

  /** Calls the listener at each change, in order, until the answer is called. */
  subscribe(listener: StoreListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Forgets all history, as etcd's compaction does. */
  compact(): void {
    this.#forgotten = this.#version;
    this.#history = [];
  }

  #record(event: StoreEvent): void {
    this.#history.push(event);
    if (this.#history.length > this.#historyLimit * 1.1) {
      const dropped = this.#history.splice(0, this.#history.length - this.#historyLimit);
      this.#forgotten = dropped.at(-1)?.version ?? this.#forgotten;
    }
    for (const listener of [...this.#listeners]) listener(event);
  }
}
