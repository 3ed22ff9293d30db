// SPDX-License-Identifier: Apache-2.0
// One watch: the events a client sees, from a version on, filtered, as lines of JSON.
import type { ApiContext, WatchReply } from "./api-request.ts";
import { gone, statusBody } from "./api-status.ts";
import type { JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { apiVersionOf, bucketOf } from "./registry.ts";
import type { StoreEvent } from "./store.ts";
import { inVersion } from "./verbs/read.ts";

export type WatchSink = {
  /** Sends one event. `object` is an object of the kind unless the type is BOOKMARK or ERROR. */
  send: (type: "ADDED" | "MODIFIED" | "DELETED", object: KubeObject) => void;
  sendRaw: (type: "BOOKMARK" | "ERROR", object: JsonObject) => void;
  end: () => void;
};

const bookmark = (watch: WatchReply, version: number, initialEnd: boolean): JsonObject => ({
  kind: watch.kind.kind,
  apiVersion: apiVersionOf(watch.kind),
  metadata: {
    resourceVersion: String(version),
    creationTimestamp: null,
    ...(initialEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
  },
});

/** Starts a watch; the answer stops it. `bookmarkIntervalMs` is the time between bookmarks. */
export const startWatch = (
  ctx: ApiContext,
  watch: WatchReply,
  sink: WatchSink,
  bookmarkIntervalMs: number,
): (() => void) => {
  const bucket = bucketOf(watch.kind);
  const inScope = (object: KubeObject) =>
    (watch.namespace === undefined || object.metadata.namespace === watch.namespace) && watch.matches(object);

  const forward = (event: StoreEvent) => {
    if (event.bucket !== bucket) return;
    const before = event.previous !== undefined && inScope(event.previous);
    const after = event.type !== "DELETED" && inScope(event.object);
    const object = inVersion(watch.kind, event.object);
    if (after) sink.send(before ? "MODIFIED" : "ADDED", object);
    else if (before) {
      // An object that leaves the selection is shown as it was, under the new version.
      const last = event.type === "DELETED" ? object : inVersion(watch.kind, event.previous ?? event.object);
      const { resourceVersion } = event.object.metadata;
      sink.send("DELETED", {
        ...last,
        metadata: { ...last.metadata, ...(resourceVersion ? { resourceVersion } : {}) },
      });
    }
  };

  if (watch.since === undefined || watch.initialEvents) {
    for (const object of ctx.store.list(bucket, watch.namespace)) {
      if (inScope(object)) sink.send("ADDED", inVersion(watch.kind, object));
    }
    if (watch.initialEvents && watch.bookmarks) {
      sink.sendRaw("BOOKMARK", bookmark(watch, ctx.store.version, true));
    }
  } else {
    const missed = ctx.store.since(watch.since);
    if (!missed) {
      sink.sendRaw("ERROR", statusBody(gone(`too old resource version: ${watch.since}`)));
      sink.end();
      return () => {};
    }
    for (const event of missed) forward(event);
  }
  const unsubscribe = ctx.store.subscribe(forward);
  const bookmarks = watch.bookmarks
    ? setInterval(
        () => sink.sendRaw("BOOKMARK", bookmark(watch, ctx.store.version, false)),
        bookmarkIntervalMs,
      )
    : undefined;
  const stop = () => {
    unsubscribe();
    clearInterval(bookmarks);
    clearTimeout(timeout);
  };
  const timeout =
    watch.timeoutSeconds === undefined
      ? undefined
      : setTimeout(() => {
          if (watch.bookmarks) sink.sendRaw("BOOKMARK", bookmark(watch, ctx.store.version, false));
          stop();
          sink.end();
        }, watch.timeoutSeconds * 1000);
  bookmarks?.unref();
  timeout?.unref();
  return stop;
};
