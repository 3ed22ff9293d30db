// SPDX-License-Identifier: Apache-2.0
// The CompositeController as the engine reads it, and as Metacontroller shows it to hooks under `controller`.
// https://metacontroller.github.io/metacontroller/api/compositecontroller.html
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { copy, isObject, type JsonObject, listOrEmpty, objectOrEmpty } from "../api/json.ts";
import type { KubeObject } from "../client.ts";
import { canonicalDuration, durationMs } from "./go-duration.ts";
import { LabelSelector } from "./label-selector.ts";
import { fault, type Outcome, ok } from "./outcome.ts";

const Text = Type.String({ minLength: 1 });
const Ref = Type.Object({ name: Text, namespace: Text });
const KeyRef = Type.Object({ name: Text, namespace: Text, key: Type.Optional(Type.String()) });

const connectionFields = {
  caBundle: Type.Optional(
    Type.Object({
      inline: Type.Optional(Type.String()),
      secretRef: Type.Optional(KeyRef),
      configMapRef: Type.Optional(KeyRef),
    }),
  ),
  clientTLS: Type.Optional(
    Type.Object({
      secretRef: Ref,
      certKey: Type.Optional(Type.String()),
      privateKeyKey: Type.Optional(Type.String()),
    }),
  ),
  authorization: Type.Optional(
    Type.Object({
      type: Type.Optional(Type.String()),
      secretRef: Type.Object({ name: Text, namespace: Text, key: Text }),
    }),
  ),
  basicAuth: Type.Optional(
    Type.Object({
      secretRef: Ref,
      usernameKey: Type.Optional(Type.String()),
      passwordKey: Type.Optional(Type.String()),
    }),
  ),
};
/** How to reach and to trust a webhook, and how to prove who calls: all of it refers to Secrets and ConfigMaps. */
export const ConnectionFields = Type.Object(connectionFields);
export type ConnectionFields = Static<typeof ConnectionFields>;

export const Webhook = Type.Object({
  ...connectionFields,
  url: Type.Optional(Text),
  path: Type.Optional(Type.String()),
  service: Type.Optional(
    Type.Object({
      name: Text,
      namespace: Text,
      port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
      protocol: Type.Optional(Type.String()),
    }),
  ),
  timeout: Type.Optional(Type.String()),
  responseUnMarshallMode: Type.Optional(Type.Union([Type.Literal("strict"), Type.Literal("loose")])),
  etag: Type.Optional(
    Type.Object({
      enabled: Type.Optional(Type.Boolean()),
      cacheTimeoutSeconds: Type.Optional(Type.Integer({ minimum: 0 })),
      cacheCleanupSeconds: Type.Optional(Type.Integer({ minimum: 0 })),
    }),
  ),
});
export type Webhook = Static<typeof Webhook>;

// Hook version v1 keys its objects otherwise; nothing here uses it.
const Hook = Type.Object({ version: Type.Literal("v2"), webhook: Webhook });

export const ControllerSpec = Type.Object({
  parentResource: Type.Object({
    apiVersion: Text,
    resource: Text,
    labelSelector: Type.Optional(LabelSelector),
    ignoreStatusChanges: Type.Optional(Type.Boolean()),
  }),
  childResources: Type.Optional(
    Type.Array(
      Type.Object({
        apiVersion: Text,
        resource: Text,
        // The other strategies are not imitated; where none is named, Metacontroller's is OnDelete.
        updateStrategy: Type.Object({ method: Type.Literal("InPlace") }),
      }),
    ),
  ),
  resyncPeriodSeconds: Type.Optional(Type.Integer({ minimum: 0 })),
  generateSelector: Type.Optional(Type.Boolean()),
  hooks: Type.Object({
    sync: Hook,
    finalize: Type.Optional(Hook),
    customize: Type.Optional(Hook),
  }),
  endpointConfigs: Type.Optional(Type.Array(Type.Object({ ...connectionFields, host: Text }))),
});
export type ControllerSpec = Static<typeof ControllerSpec>;

/** The spec of a CompositeController, or a fault that names its first wrong field. */
export const controllerSpec = (object: KubeObject): Outcome<ControllerSpec> => {
  const { spec } = object;
  if (Value.Check(ControllerSpec, spec)) return ok(spec);
  const first = [...Value.Errors(ControllerSpec, spec)].at(0);
  return fault(`spec${(first?.path ?? "").replaceAll("/", ".")}: ${first?.message ?? "is not valid"}`);
};

/**
 * The object that goes out under `controller`. Metacontroller sends what its typed struct holds: `status` and each
 * `updateStrategy.statusChecks` are there even when nobody set them, and durations are in Go's own writing.
 */
export const shownController = (object: KubeObject): JsonObject => {
  const { kind, apiVersion, metadata } = object;
  const spec = copy(objectOrEmpty(object.spec));
  for (const child of listOrEmpty(spec.childResources)) {
    if (!isObject(child)) continue;
    const strategy = child.updateStrategy;
    if (isObject(strategy)) strategy.statusChecks ??= {};
  }
  for (const hook of Object.values(objectOrEmpty(spec.hooks))) {
    const webhook = objectOrEmpty(objectOrEmpty(hook).webhook);
    const timeout = webhook.timeout;
    const ms = typeof timeout === "string" ? durationMs(timeout) : undefined;
    if (ms !== undefined) webhook.timeout = canonicalDuration(ms);
  }
  return { kind, apiVersion, metadata: copy(metadata), spec, status: copy(objectOrEmpty(object.status)) };
};
