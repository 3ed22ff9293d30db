// SPDX-License-Identifier: Apache-2.0
// Posts Kubernetes events about our objects: best effort, never delaying a response.
import { hostname } from "node:os";
import type { Logger } from "pino";
import type { HookEvent } from "../../hooks/metacontroller.ts";
import { connectionFault } from "../http/connection-fault.ts";
import { type HttpPool, openHttpPool } from "../http/http-pool.ts";
import type { InCluster } from "../kubernetes/in-cluster.ts";
import { rfc3339 } from "../time.ts";

/** The object that an event is about. */
export type EventParent = {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace: string; uid: string; resourceVersion?: string | undefined };
};

export type EventSink = {
  /** Returns at once and never throws. */
  post(parent: EventParent, event: HookEvent): void;
  close(): Promise<void>;
};

/** For processes outside a cluster. */
export const noEvents: EventSink = { post: () => {}, close: async () => {} };

export type EventSinkOptions = {
  api: { origin: string; tokenFile: string; caFile?: string };
  logger: Logger;
  /** Milliseconds since the epoch. */
  now?: () => number;
  timeoutMs?: number;
};

/** The same event about the same object is posted once in this time. */
const REPEAT_MS = 10 * 60 * 1000;
/** Objects and reasons remembered; the oldest are forgotten first. */
const MAX_REMEMBERED = 10_000;
/** Posts under way; above it events are dropped. */
const MAX_UNDER_WAY = 64;
/** The API server refuses a longer message. */
const MAX_MESSAGE = 1024;

/** The sink of a pod; without a service account there is none. */
export const eventSinkOf = (inCluster: InCluster | undefined, logger: Logger): EventSink =>
  inCluster === undefined ? noEvents : createEventSink({ api: inCluster, logger });

/** When which event was posted. */
class RecentEvents {
  readonly #postedAt = new Map<string, number>();

  /** Whether this event was posted lately; remembers it if not. */
  isRepeated(key: string, at: number): boolean {
    const before = this.#postedAt.get(key);
    if (before !== undefined && at >= before && at - before < REPEAT_MS) return true;
    this.#postedAt.delete(key);
    this.#postedAt.set(key, at);
    const oldest = this.#postedAt.keys().next();
    if (this.#postedAt.size > MAX_REMEMBERED && !oldest.done) this.#postedAt.delete(oldest.value);
    return false;
  }
}

/** @throws UnusableFile when the token or CA file can't be used at the start. */
export const createEventSink = (options: EventSinkOptions): EventSink => {
  const { logger, now = Date.now, timeoutMs = 5000 } = options;
  const http = openHttpPool({
    ...options.api,
    connectTimeoutMs: 1000,
    connections: 4,
    maxResponseBytes: 64 * 1024,
    logger,
    ...(options.now !== undefined && { now: options.now }),
  });
  const recent = new RecentEvents();
  let underWay = 0;
  let lastFault: string | undefined;

  const report = (fault: string | undefined): void => {
    if (fault !== undefined && fault !== lastFault) logger.warn({ fault }, "events can't be posted");
    lastFault = fault;
  };

  return {
    post(parent, event) {
      const at = now();
      const key = JSON.stringify([parent.metadata.uid, event.reason, event.message]);
      if (underWay >= MAX_UNDER_WAY || recent.isRepeated(key, at)) return;
      underWay += 1;
      void send(http, parent, event, new Date(at), timeoutMs).then((fault) => {
        underWay -= 1;
        report(fault);
      });
    },
    close: () => http.close(),
  };
};

/** Posts one event; the answer is what went wrong, if anything. */
const send = async (
  http: HttpPool,
  parent: EventParent,
  event: HookEvent,
  at: Date,
  timeoutMs: number,
): Promise<string | undefined> => {
  try {
    const authorization = http.authorization();
    const { statusCode, body } = await http.send({
      method: "POST",
      path: `/api/v1/namespaces/${encodeURIComponent(parent.metadata.namespace)}/events`,
      headers: { "content-type": "application/json", ...(authorization !== undefined && { authorization }) },
      body: JSON.stringify(eventObject(parent, event, at)),
      signal: AbortSignal.timeout(timeoutMs),
      repeatable: false,
    });
    await body.dump();
    return statusCode < 300 ? undefined : `HTTP ${statusCode}`;
  } catch (error) {
    return connectionFault(error).what;
  }
};

/** core/v1 Event. https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ */
const eventObject = (parent: EventParent, event: HookEvent, at: Date): Record<string, unknown> => {
  const { name, namespace, uid, resourceVersion } = parent.metadata;
  const time = rfc3339(at);
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { generateName: `${name.slice(0, 200)}.`, namespace },
    involvedObject: {
      apiVersion: parent.apiVersion,
      kind: parent.kind,
      name,
      namespace,
      uid,
      resourceVersion,
    },
    type: event.type,
    reason: event.reason,
    message: event.message.slice(0, MAX_MESSAGE),
    source: { component: "keyswitch" },
    reportingComponent: "keyswitch",
    reportingInstance: hostname(),
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
};
