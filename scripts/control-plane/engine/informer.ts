// SPDX-License-Identifier: Apache-2.0
// Caches one resource's objects from a list and a watch, and notifies its subscribers of changes.
import { setTimeout as delay } from "node:timers/promises";
import { keyOf } from "../api/kube-object.ts";
import type { KubeClient, KubeObject, ResourceInfo } from "../client.ts";

/** Objects that subscribers get are shared: they must not change them. */
export type Subscriber = {
  added: (object: KubeObject) => void;
  updated: (old: KubeObject, current: KubeObject) => void;
  deleted: (object: KubeObject) => void;
};

export type Informer = {
  resource: ResourceInfo;
  /** Resolves after the first list. */
  synced: Promise<void>;
  get: (key: string) => KubeObject | undefined;
  /** The objects of one namespace, or of all. */
  list: (namespace?: string) => KubeObject[];
  /** Replays what is there as additions. The answer ends it. */
  subscribe: (subscriber: Subscriber) => () => void;
  /** Resolves when the mirror no longer has this version of the object, or when that has not come for a while. */
  replaced: (object: KubeObject) => Promise<void>;
  /** True when the mirror holds what the server has now; where the server can't be asked, true. */
  caughtUp: () => Promise<boolean>;
  close: () => void;
};

const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 2_000;
const LAG_STEP_MS = 2;
const LONGEST_LAG_MS = 500;

/** The objects as they were last seen, and who is told of changes. */
class Mirror {
  readonly #objects = new Map<string, KubeObject>();
  readonly #subscribers = new Set<Subscriber>();

  get(key: string): KubeObject | undefined {
    return this.#objects.get(key);
  }

  all(): KubeObject[] {
    return [...this.#objects.values()];
  }

  /** True where this version of the object is what the mirror has. */
  holds(object: KubeObject): boolean {
    return this.get(keyOf(object))?.metadata.resourceVersion === object.metadata.resourceVersion;
  }

  put(object: KubeObject): void {
    const old = this.get(keyOf(object));
    this.#objects.set(keyOf(object), object);
    for (const subscriber of this.#subscribers) {
      if (old === undefined) subscriber.added(object);
      else subscriber.updated(old, object);
    }
  }

  drop(object: KubeObject): void {
    if (!this.#objects.delete(keyOf(object))) return;
    for (const subscriber of this.#subscribers) subscriber.deleted(object);
  }

  /** Becomes what a list has shown. */
  replace(items: KubeObject[]): void {
    const seen = new Set(items.map(keyOf));
    for (const object of this.all()) if (!seen.has(keyOf(object))) this.drop(object);
    for (const object of items) if (!this.holds(object)) this.put(object);
  }

  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    for (const object of this.all()) subscriber.added(object);
    return () => this.#subscribers.delete(subscriber);
  }

  close(): void {
    this.#subscribers.clear();
  }
}

/** The pauses after a request that brought nothing: each twice as long as the one before, up to a limit. */
class Pauses {
  #nextMs = FIRST_RETRY_MS;

  reset(): void {
    this.#nextMs = FIRST_RETRY_MS;
  }

  /** Ends early when `signal` is aborted. */
  async next(signal: AbortSignal): Promise<void> {
    const ms = this.#nextMs;
    this.#nextMs = Math.min(ms * 2, LONGEST_RETRY_MS);
    if (signal.aborted) return;
    await delay(ms, undefined, { signal }).catch(() => {});
  }
}

/** Lists and watches `resource` into `mirror` until `signal` is aborted; calls `onListed` after each list. */
const follow = async (
  client: KubeClient,
  resource: ResourceInfo,
  mirror: Mirror,
  signal: AbortSignal,
  onListed: () => void,
): Promise<void> => {
  const pauses = new Pauses();

  /** Watches from `version` on. Answers with the version to go on from, or undefined where a new list is needed. */
  const watchFrom = async (version: string): Promise<string | undefined> => {
    let last = version;
    let told = false;
    const end = await client.watch(resource, {
      resourceVersion: version,
      signal,
      onVersion: (seen) => {
        if (seen !== "") last = seen;
      },
      onEvent: ({ type, object }) => {
        told = true;
        pauses.reset();
        last = object.metadata.resourceVersion ?? "";
        if (type === "DELETED") mirror.drop(object);
        else mirror.put(object);
      },
    });
    if (!told) await pauses.next(signal);
    // A connection that broke goes on from the last version; only a version that is too old needs a new list.
    const isBroken = !end.ok && end.status === 0;
    return isBroken || (end.ok && end.value === "closed") ? last : undefined;
  };

  while (!signal.aborted) {
    const answer = await client.list(resource);
    if (!answer.ok) {
      await pauses.next(signal);
      continue;
    }
    mirror.replace(answer.value.items);
    onListed();
    let version: string | undefined = answer.value.resourceVersion;
    while (version !== undefined && !signal.aborted) version = await watchFrom(version);
  }
};

/** Starts a mirror of all objects of `resource`; close it when it is no longer needed. */
export const startInformer = (client: KubeClient, resource: ResourceInfo): Informer => {
  const mirror = new Mirror();
  const stop = new AbortController();
  const first = Promise.withResolvers<void>();
  void follow(client, resource, mirror, stop.signal, first.resolve);

  return {
    resource,
    synced: first.promise,
    get: (key) => mirror.get(key),
    list: (namespace) =>
      mirror.all().filter((object) => namespace === undefined || object.metadata.namespace === namespace),
    subscribe: (subscriber) => mirror.subscribe(subscriber),
    replaced: async (object) => {
      for (let waitedMs = 0; waitedMs < LONGEST_LAG_MS; waitedMs += LAG_STEP_MS) {
        if (!mirror.holds(object)) return;
        await delay(LAG_STEP_MS);
      }
    },
    caughtUp: async () => {
      const answer = await client.list(resource);
      if (!answer.ok) return true;
      const { items } = answer.value;
      return items.length === mirror.all().length && items.every((item) => mirror.holds(item));
    },
    close: () => {
      stop.abort();
      mirror.close();
      first.resolve();
    },
  };
};

export type InformerPool = {
  /** The shared informer of a resource; `release` when it is no longer needed. */
  acquire: (resource: ResourceInfo) => { informer: Informer; release: () => void };
  all: () => Informer[];
  close: () => void;
};

/** One informer for each resource, however many controllers need it. */
export const createInformerPool = (client: KubeClient): InformerPool => {
  const shared = new Map<string, { informer: Informer; users: number }>();
  return {
    acquire: (resource) => {
      const key = `${resource.apiVersion}/${resource.plural}`;
      const entry = shared.get(key) ?? { informer: startInformer(client, resource), users: 0 };
      shared.set(key, entry);
      entry.users += 1;
      let released = false;
      const release = () => {
        if (released) return;
        released = true;
        entry.users -= 1;
        if (entry.users > 0) return;
        entry.informer.close();
        shared.delete(key);
      };
      return { informer: entry.informer, release };
    },
    all: () => [...shared.values()].map(({ informer }) => informer),
    close: () => {
      for (const { informer } of shared.values()) informer.close();
      shared.clear();
    },
  };
};
