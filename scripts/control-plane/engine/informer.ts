// SPDX-License-Identifier: Apache-2.0
// A mirror of one resource's objects, kept by a list and a watch, that tells its subscribers what changed.
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

export const startInformer = (client: KubeClient, resource: ResourceInfo): Informer => {
  const objects = new Map<string, KubeObject>();
  const subscribers = new Set<Subscriber>();
  const stop = new AbortController();
  const first = Promise.withResolvers<void>();
  let retryMs = FIRST_RETRY_MS;

  const put = (object: KubeObject) => {
    const key = keyOf(object);
    const old = objects.get(key);
    objects.set(key, object);
    for (const subscriber of subscribers) {
      if (old === undefined) subscriber.added(object);
      else subscriber.updated(old, object);
    }
  };
  const drop = (object: KubeObject) => {
    if (!objects.delete(keyOf(object))) return;
    for (const subscriber of subscribers) subscriber.deleted(object);
  };

  const relist = async (): Promise<string | undefined> => {
    const answer = await client.list(resource);
    if (!answer.ok) return undefined;
    const { items, resourceVersion } = answer.value;
    const seen = new Set(items.map(keyOf));
    for (const [key, object] of [...objects]) if (!seen.has(key)) drop(object);
    for (const object of items) {
      const old = objects.get(keyOf(object));
      if (old?.metadata.resourceVersion !== object.metadata.resourceVersion) put(object);
    }
    return resourceVersion;
  };

  const pause = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(done, retryMs);
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      stop.signal.addEventListener("abort", done, { once: true });
      function done() {
        clearTimeout(timer);
        stop.signal.removeEventListener("abort", done);
        resolve();
      }
    });

  const run = async () => {
    while (!stop.signal.aborted) {
      let version = await relist();
      if (version === undefined) {
        await pause();
        continue;
      }
      first.resolve();
      while (version !== undefined && !stop.signal.aborted) {
        let told = false;
        const end = await client.watch(resource, {
          resourceVersion: version,
          signal: stop.signal,
          onVersion: (seen) => {
            if (seen !== "") version = seen;
          },
          onEvent: ({ type, object }) => {
            told = true;
            retryMs = FIRST_RETRY_MS;
            version = object.metadata.resourceVersion;
            if (type === "DELETED") drop(object);
            else put(object);
          },
        });
        // A connection that broke goes on from the last version; only a version that is too old needs a new list.
        const broken = !end.ok && end.status === 0;
        if (!broken && (!end.ok || end.value === "expired")) version = undefined;
        if (!told) await pause();
      }
    }
  };
  void run();

  return {
    resource,
    synced: first.promise,
    get: (key) => objects.get(key),
    list: (namespace) => {
      const all = [...objects.values()];
      return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
    },
    subscribe: (subscriber) => {
      subscribers.add(subscriber);
      for (const object of [...objects.values()]) subscriber.added(object);
      return () => subscribers.delete(subscriber);
    },
    replaced: async (object) => {
      const key = keyOf(object);
      for (let waitedMs = 0; waitedMs < LONGEST_LAG_MS; waitedMs += LAG_STEP_MS) {
        if (objects.get(key)?.metadata.resourceVersion !== object.metadata.resourceVersion) return;
        await delay(LAG_STEP_MS);
      }
    },
    caughtUp: async () => {
      const answer = await client.list(resource);
      if (!answer.ok) return true;
      const { items } = answer.value;
      if (items.length !== objects.size) return false;
      return items.every(
        (item) => objects.get(keyOf(item))?.metadata.resourceVersion === item.metadata.resourceVersion,
      );
    },
    close: () => {
      stop.abort();
      subscribers.clear();
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
