// SPDX-License-Identifier: Apache-2.0
// Events on objects, as client-go's recorder writes them: repeats are counted, and a flood about one object is cut.

import { randomBytes } from "node:crypto";
import { rfc3339 } from "../../../server/time.ts";
import type { JsonObject } from "../api/json.ts";
import type { KubeClient, KubeObject, ResourceInfo } from "../client.ts";
import type { EngineLog } from "./engine-log.ts";

/** Metacontroller's reasons. */
type EventReason = "Starting" | "Started" | "Stopping" | "Stopped" | "SyncError" | "CreateError";

export type EventRecorder = {
  /** Writes in the background. */
  record: (object: KubeObject, type: "Normal" | "Warning", reason: EventReason, message: string) => void;
  /** Resolves when everything recorded so far is written. */
  flushed: () => Promise<void>;
};

const events: ResourceInfo = {
  apiVersion: "v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
  hasStatus: false,
};
const COMPONENT = "metacontroller";
// Metacontroller's --events-burst and --events-qps.
const BURST = 25;
const REFILL_MS = 300_000;

type Written = { namespace: string; name: string; count: number };
type Bucket = { tokens: number; at: number };

export const createEventRecorder = (client: KubeClient, now: () => Date, log: EngineLog): EventRecorder => {
  const written = new Map<string, Written>();
  const buckets = new Map<string, Bucket>();
  let last: Promise<void> = Promise.resolve();

  const mayWrite = (uid: string): boolean => {
    const at = now().getTime();
    const bucket = buckets.get(uid) ?? { tokens: BURST, at };
    const tokens = Math.min(BURST, bucket.tokens + (at - bucket.at) / REFILL_MS);
    const allowed = tokens >= 1;
    buckets.set(uid, { tokens: allowed ? tokens - 1 : tokens, at });
    return allowed;
  };

  const again = async (event: Written): Promise<boolean> => {
    const answer = await client.patch(events, event, {
      contentType: "application/merge-patch+json",
      body: JSON.stringify({ count: event.count + 1, lastTimestamp: rfc3339(now()) }),
    });
    if (answer.ok) event.count += 1;
    return answer.ok;
  };

  const write = async (object: KubeObject, type: string, reason: string, message: string) => {
    const { uid = "", name: of = "", namespace: own } = object.metadata;
    if (!mayWrite(uid)) return;
    const key = `${uid}/${reason}/${message}`;
    const repeated = written.get(key);
    if (repeated && (await again(repeated))) return;
    const namespace = own ?? "default";
    const name = `${of}.${randomBytes(8).toString("hex")}`;
    const body = eventBody(object, { namespace, name, type, reason, message, at: rfc3339(now()) });
    const answer = await client.create(events, body, namespace);
    if (answer.ok) written.set(key, { namespace, name, count: 1 });
    else log.warn({ status: answer.status, reason: answer.reason }, "can't write an event");
  };

  return {
    record: (object, type, reason, message) => {
      last = last.then(() => write(object, type, reason, message));
    },
    flushed: () => last,
  };
};

type EventText = {
  namespace: string;
  name: string;
  type: string;
  reason: string;
  message: string;
  at: string;
};

const eventBody = ({ apiVersion, kind, metadata }: KubeObject, event: EventText): JsonObject => {
  const { namespace, name, type, reason, message, at } = event;
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { namespace, name },
    involvedObject: {
      apiVersion,
      kind,
      name: metadata.name,
      namespace: metadata.namespace,
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
    },
    type,
    reason,
    // The API server takes 1024 characters.
    message: message.slice(0, 1024),
    count: 1,
    firstTimestamp: at,
    lastTimestamp: at,
    source: { component: COMPONENT },
    reportingComponent: COMPONENT,
    reportingInstance: "",
  };
};
