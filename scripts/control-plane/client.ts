// SPDX-License-Identifier: Apache-2.0
// A client of the Kubernetes HTTP API: discovery, reads, writes and watches of any resource, as tagged results.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Agent, type Dispatcher } from "undici";
import { AnyObject } from "../../hooks/kubernetes.ts";
import { lines } from "../../server/kubernetes/connection.ts";
import { isObject, type Json, type JsonObject, parsedJson, stringOf, toJson, valueAt } from "./api/json.ts";
import type { KubeObject } from "./api/kube-object.ts";

export type { KubeObject } from "./api/kube-object.ts";

/** One resource that the server offers; `apiVersion` is `v1` or `<group>/<version>`. */
export type ResourceInfo = {
  apiVersion: string;
  kind: string;
  plural: string;
  namespaced: boolean;
  /** True where `/status` is a path of its own. */
  hasStatus: boolean;
};

/** A refusal. `status` is the HTTP code, 0 where no answer came; `reason` and `message` are metav1.Status's. */
export type ApiFailure = { ok: false; status: number; reason: string; message: string };
export type ApiResult<T> = { ok: true; value: T } | ApiFailure;

export type WatchEvent = { type: "ADDED" | "MODIFIED" | "DELETED"; object: KubeObject };
/** How a watch ended: `expired` needs a new list, `closed` can go on from the last version seen. */
type WatchEnd = "expired" | "closed";

type DeleteOptions = {
  uid?: string;
  propagationPolicy?: "Background" | "Foreground" | "Orphan";
};

/** Where an object lies; the namespace is left out for a cluster-scoped one. */
type ObjectName = { namespace?: string | undefined; name: string };

export type KubeClient = {
  /** Every resource of a group version. */
  resources: (apiVersion: string) => Promise<ApiResult<ResourceInfo[]>>;
  get: (resource: ResourceInfo, at: ObjectName) => Promise<ApiResult<KubeObject>>;
  /** The objects of all namespaces, or of one, and the version that a watch goes on from. */
  list: (
    resource: ResourceInfo,
    namespace?: string,
  ) => Promise<ApiResult<{ items: KubeObject[]; resourceVersion: string }>>;
  create: (resource: ResourceInfo, object: JsonObject, namespace?: string) => Promise<ApiResult<KubeObject>>;
  update: (
    resource: ResourceInfo,
    object: KubeObject,
    subresource?: "status",
  ) => Promise<ApiResult<KubeObject>>;
  patch: (resource: ResourceInfo, at: ObjectName, patch: Patch) => Promise<ApiResult<KubeObject>>;
  remove: (resource: ResourceInfo, at: ObjectName, options?: DeleteOptions) => Promise<ApiResult<JsonObject>>;
  /** Calls `onEvent` for each event until the watch ends or is aborted; bookmarks go to `onVersion`. */
  watch: (resource: ResourceInfo, options: WatchOptions) => Promise<ApiResult<WatchEnd>>;
  close: () => Promise<void>;
};

type Patch = {
  contentType:
    | "application/apply-patch+yaml"
    | "application/json-patch+json"
    | "application/merge-patch+json";
  /** JSON text: an apply patch goes out byte for byte as it was hashed. */
  body: string;
  force?: boolean;
};

type WatchOptions = {
  resourceVersion: string;
  signal: AbortSignal;
  onEvent: (event: WatchEvent) => void;
  onVersion: (resourceVersion: string) => void;
};

const Status = Type.Object({
  code: Type.Optional(Type.Integer()),
  reason: Type.Optional(Type.String()),
  message: Type.Optional(Type.String()),
});
const ResourceList = Type.Object({
  resources: Type.Array(
    Type.Object({ name: Type.String(), kind: Type.String(), namespaced: Type.Boolean() }),
  ),
});
const ObjectList = Type.Object({
  metadata: Type.Object({ resourceVersion: Type.String() }),
  items: Type.Array(Type.Record(Type.String(), Type.Unknown())),
});
const WatchLine = Type.Object({
  type: Type.String(),
  object: Type.Record(Type.String(), Type.Unknown()),
});

type Call = { method: Dispatcher.HttpMethod; path: string; contentType?: string; body?: string };

/** Narrows a JSON value to an object of any kind; `apiVersion` and `kind` fill what list items leave out. */
export const asObject = (value: Json, type: { apiVersion: string; kind: string }): KubeObject | undefined => {
  if (!isObject(value)) return undefined;
  const object: JsonObject = { apiVersion: type.apiVersion, kind: type.kind, ...value };
  return isKubeObject(object) ? object : undefined;
};

const isKubeObject = (value: JsonObject): value is KubeObject => Value.Check(AnyObject, value);

const noAnswer: ApiFailure = {
  ok: false,
  status: 0,
  reason: "ServiceUnavailable",
  message: "the API server did not answer",
};
const notUnderstood = (status: number): ApiFailure => ({
  ok: false,
  status,
  reason: "NotUnderstood",
  message: "the API server's answer is not understood",
});

const failureOf = (status: number, body: Json | undefined): ApiFailure => {
  const { reason = "", message = `HTTP ${status}` }: Static<typeof Status> = Value.Check(Status, body)
    ? body
    : {};
  return { ok: false, status, reason, message };
};

const pathOf = (resource: ResourceInfo, namespace?: string, name?: string, subresource?: string): string => {
  const base = resource.apiVersion.includes("/")
    ? `/apis/${resource.apiVersion}`
    : `/api/${resource.apiVersion}`;
  const inNamespace = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  const tail = [
    name === undefined ? "" : `/${encodeURIComponent(name)}`,
    subresource ? `/${subresource}` : "",
  ];
  return `${base}${inNamespace}/${resource.plural}${tail.join("")}`;
};

type Send = (call: Call) => Promise<ApiResult<JsonObject>>;

const sender =
  (dispatcher: Dispatcher, origin: string): Send =>
  async ({ method, path, contentType = "application/json", body = null }) => {
    try {
      const headers = { accept: "application/json", "content-type": contentType };
      const answer = await dispatcher.request({ origin, path, method, headers, body });
      const value = parsedJson(await answer.body.text());
      if (answer.statusCode >= 300) return failureOf(answer.statusCode, value);
      return isObject(value) ? { ok: true, value } : notUnderstood(answer.statusCode);
    } catch {
      // undici throws for every fault of the connection, and for nothing else here.
      return noAnswer;
    }
  };

const resources = async (send: Send, apiVersion: string): Promise<ApiResult<ResourceInfo[]>> => {
  const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const answer = await send({ method: "GET", path: base });
  if (!answer.ok) return answer;
  if (!Value.Check(ResourceList, answer.value)) return notUnderstood(200);
  const { resources }: Static<typeof ResourceList> = answer.value;
  const names = new Set(resources.map(({ name }) => name));
  const value = resources
    .filter(({ name }) => !name.includes("/"))
    .map(({ name, kind, namespaced }) => {
      const hasStatus = names.has(`${name}/status`);
      return { apiVersion, kind, plural: name, namespaced, hasStatus };
    });
  return { ok: true, value };
};

const list = async (
  send: Send,
  resource: ResourceInfo,
  namespace: string | undefined,
): Promise<ApiResult<{ items: KubeObject[]; resourceVersion: string }>> => {
  const answer = await send({ method: "GET", path: pathOf(resource, namespace) });
  if (!answer.ok) return answer;
  if (!Value.Check(ObjectList, answer.value)) return notUnderstood(200);
  const { metadata, items }: Static<typeof ObjectList> = answer.value;
  const objects = items.map((item) => asObject(toJson(item), resource));
  if (!objects.every((object) => object !== undefined)) return notUnderstood(200);
  return { ok: true, value: { items: objects, resourceVersion: metadata.resourceVersion } };
};

/** metav1.DeleteOptions. */
const deletion = ({ uid, propagationPolicy }: DeleteOptions): JsonObject => ({
  apiVersion: "v1",
  kind: "DeleteOptions",
  ...(uid === undefined ? {} : { preconditions: { uid } }),
  ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
});

/** A client for the API server at `apiUrl`, whose writes go under the field manager `manager`. */
export const createKubeClient = (apiUrl: string, manager = "metacontroller"): KubeClient => {
  const dispatcher = new Agent({ connections: 32, bodyTimeout: 0, headersTimeout: 30_000 });
  const byManager = `fieldManager=${encodeURIComponent(manager)}`;
  const send = sender(dispatcher, apiUrl);
  const sendForObject = async (resource: ResourceInfo, call: Call): Promise<ApiResult<KubeObject>> => {
    const answer = await send(call);
    if (!answer.ok) return answer;
    const object = asObject(answer.value, resource);
    return object ? { ok: true, value: object } : notUnderstood(200);
  };

  return {
    resources: (apiVersion) => resources(send, apiVersion),
    get: (resource, { namespace, name }) =>
      sendForObject(resource, { method: "GET", path: pathOf(resource, namespace, name) }),
    list: (resource, namespace) => list(send, resource, namespace),
    create: (resource, object, namespace) => {
      const path = `${pathOf(resource, namespace)}?${byManager}`;
      return sendForObject(resource, { method: "POST", path, body: JSON.stringify(object) });
    },
    update: (resource, object, subresource) => {
      const { namespace, name = "" } = object.metadata;
      const path = `${pathOf(resource, namespace, name, subresource)}?${byManager}`;
      return sendForObject(resource, { method: "PUT", path, body: JSON.stringify(object) });
    },
    patch: (resource, { namespace, name }, { contentType, body, force }) => {
      const path = `${pathOf(resource, namespace, name)}?${byManager}${force ? "&force=true" : ""}`;
      return sendForObject(resource, { method: "PATCH", path, contentType, body });
    },
    remove: (resource, { namespace, name }, options = {}) => {
      const path = pathOf(resource, namespace, name);
      return send({ method: "DELETE", path, body: JSON.stringify(deletion(options)) });
    },
    watch: (resource, options) => watch(dispatcher, apiUrl, resource, options),
    close: () => dispatcher.destroy(),
  };
};

type WatchStep =
  | { step: "event"; event: WatchEvent }
  | { step: "version"; version: string }
  | { step: "none" };

/** What a line of a watch means; undefined where only a new list can go on. */
const stepOf = (line: string, resource: ResourceInfo): WatchStep | undefined => {
  const event = parsedJson(line);
  if (!Value.Check(WatchLine, event)) return undefined;
  const { type } = event;
  const body = toJson(event.object);
  // An ERROR says that the version is too old, or something else that only a new list can mend.
  if (type === "ERROR") return undefined;
  if (type === "BOOKMARK") {
    return { step: "version", version: stringOf(valueAt(body, ["metadata", "resourceVersion"])) ?? "" };
  }
  if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") return { step: "none" };
  const object = asObject(body, resource);
  return object && { step: "event", event: { type, object } };
};

const watch = async (
  dispatcher: Dispatcher,
  origin: string,
  resource: ResourceInfo,
  { resourceVersion, signal, onEvent, onVersion }: WatchOptions,
): Promise<ApiResult<WatchEnd>> => {
  const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${encodeURIComponent(resourceVersion)}`;
  try {
    const answer = await dispatcher.request({
      origin,
      path: `${pathOf(resource)}?${query}`,
      method: "GET",
      headers: { accept: "application/json" },
      signal,
    });
    if (answer.statusCode === 410) return { ok: true, value: "expired" };
    if (answer.statusCode !== 200) return failureOf(answer.statusCode, parsedJson(await answer.body.text()));
    for await (const line of lines(answer.body, Number.POSITIVE_INFINITY, () => {})) {
      const step = stepOf(line, resource);
      if (!step) return { ok: true, value: "expired" };
      if (step.step === "event") onEvent(step.event);
      if (step.step === "version") onVersion(step.version);
    }
    return { ok: true, value: "closed" };
  } catch {
    // undici throws for an abort and for every fault of the connection.
    return noAnswer;
  }
};
