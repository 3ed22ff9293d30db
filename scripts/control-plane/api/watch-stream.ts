// SPDX-License-Identifier: Apache-2.0
// Streams one watch: the filtered events from a version on, as lines of JSON.
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

type InScope = (object: KubeObject) => boolean;

/** Shows one change of the store to a client that sees the objects `inScope`. */
const forward = (watch: WatchReply, sink: WatchSink, inScope: InScope, event: StoreEvent): void => {
  const before = event.previous !== undefined && inScope(event.previous);
  const after = event.type !== "DELETED" && inScope(event.object);
  const object = inVersion(watch.kind, event.object);
  if (after) {
    sink.send(before ? "MODIFIED" : "ADDED", object);
    return;
  }
  if (!before) return;
  // An object that leaves the selection is shown as it was, under the new version.
  const last = event.type === "DELETED" ? object : inVersion(watch.kind, event.previous ?? event.object);
  const { resourceVersion } = event.object.metadata;
  sink.send("DELETED", {
    ...last,
    metadata: { ...last.metadata, ...(resourceVersion ? { resourceVersion } : {}) },
  });
};

/** Shows what a watch begins with; false where what happened since its version is no longer known. */
const showBeginning = (ctx: ApiContext, watch: WatchReply, sink: WatchSink, inScope: InScope): boolean => {
  const bucket = bucketOf(watch.kind);
  if (watch.since !== undefined && !watch.initialEvents) {
    const missed = ctx.store.since(watch.since);
    for (const event of missed ?? []) if (event.bucket === bucket) forward(watch, sink, inScope, event);
    return missed !== undefined;
  }
  for (const object of ctx.store.list(bucket, watch.namespace)) {
    if (inScope(object)) sink.send("ADDED", inVersion(watch.kind, object));
  }
  if (watch.initialEvents && watch.bookmarks) {
    sink.sendRaw("BOOKMARK", bookmark(watch, ctx.store.version, true));
  }
  return true;
};

/** Starts a watch; the answer stops it. `bookmarkIntervalMs` is the time between bookmarks. */
export const startWatch = (
  ctx: ApiContext,
  watch: WatchReply,
  sink: WatchSink,
  bookmarkIntervalMs: number,
): (() => void) => {
  const bucket = bucketOf(watch.kind);
  const inScope: InScope = (object) =>
    (watch.namespace === undefined || object.metadata.namespace === watch.namespace) && watch.matches(object);
  if (!showBeginning(ctx, watch, sink, inScope)) {
    sink.sendRaw("ERROR", statusBody(gone(`too old resource version: ${watch.since}`)));
    sink.end();
    return () => {};
  }
  const unsubscribe = ctx.store.subscribe((event) => {
    if (event.bucket === bucket) forward(watch, sink, inScope, event);
  });
  const mark = () => {
    if (watch.bookmarks) sink.sendRaw("BOOKMARK", bookmark(watch, ctx.store.version, false));
  };
  const marks = watch.bookmarks ? setInterval(mark, bookmarkIntervalMs).unref() : undefined;
  const stop = () => {
    unsubscribe();
    clearInterval(marks);
    clearTimeout(timeout);
  };
  const timeout = after(watch.timeoutSeconds, () => {
    mark();
    stop();
    sink.end();
  });
  return stop;
};

/** Calls `then` after so many seconds; never where there is no limit. Doesn't hold the process. */
const after = (seconds: number | undefined, then: () => void): NodeJS.Timeout | undefined =>
  seconds === undefined ? undefined : setTimeout(then, seconds * 1000).unref();
