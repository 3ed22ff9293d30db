// SPDX-License-Identifier: Apache-2.0
// Defines the requests and responses of Metacontroller's CompositeController hooks, version v2, and what a hook says beside.
// https://metacontroller.github.io/metacontroller/api/compositecontroller.html
import { type Static, type TProperties, type TSchema, Type } from "@sinclair/typebox";
import { AnyObject, NamespacedMeta } from "./kubernetes.ts";

/** A parent as a hook request carries it. A status that is not ours is read as none, so it is not checked here. */
export const Parent = <K extends string, S extends TSchema>(kind: K, spec: S) =>
  Type.Object({
    apiVersion: Type.String(),
    kind: Type.Literal(kind),
    metadata: NamespacedMeta,
    spec,
    status: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  });

/** Objects keyed `namespace/name`; the groups that hold them are keyed `Kind.version` or `Kind.group/version`. */
export const ObjectsByName = <O extends TSchema>(object: O) => Type.Record(Type.String(), object);

/**
 * The body of a sync or finalize request for a parent of the given schema. A child that `children` does not describe
 * makes the request invalid: a hook that overlooked a child would have Metacontroller delete it. `others` are objects of further
 * kinds that customize asks for.
 */
export const SyncRequest = <P extends TSchema, C extends TProperties, O extends TProperties>(
  parent: P,
  children: C,
  others: O,
) =>
  Type.Object({
    controller: AnyObject,
    parent,
    children: Type.Object(children, { additionalProperties: false }),
    related: Type.Partial(Type.Object({ ...children, ...others })),
    finalizing: Type.Boolean(),
  });

/** The body of a customize request for a parent of the given schema. */
export const CustomizeRequest = <P extends TSchema>(parent: P) =>
  Type.Object({ controller: AnyObject, parent });

/** One rule of a customize answer: either by names or by a label selector, in one namespace. */
const RelatedResourceRule = Type.Object(
  {
    apiVersion: Type.String(),
    resource: Type.String(),
    namespace: Type.Optional(Type.String()),
    names: Type.Optional(Type.Array(Type.String())),
    labelSelector: Type.Optional(Type.Object({ matchLabels: Type.Record(Type.String(), Type.String()) })),
  },
  { additionalProperties: false },
);

/** The answer to customize: the objects that the sync request shall carry under `related`. */
export const CustomizeResponse = Type.Object(
  { relatedResources: Type.Array(RelatedResourceRule) },
  { additionalProperties: false },
);
export type CustomizeResponse = Static<typeof CustomizeResponse>;

/** The answer to sync. Metacontroller deletes each observed child that `children` leaves out. */
export const SyncResponse = Type.Object(
  {
    status: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    children: Type.Array(Type.Record(Type.String(), Type.Unknown())),
    resyncAfterSeconds: Type.Optional(Type.Number({ minimum: 0 })),
  },
  { additionalProperties: false },
);
export type SyncResponse = Static<typeof SyncResponse>;

/** The answer to finalize: `finalized: true` lets the parent go. */
export const FinalizeResponse = Type.Object(
  {
    ...SyncResponse.properties,
    finalized: Type.Boolean(),
  },
  { additionalProperties: false },
);
export type FinalizeResponse = Static<typeof FinalizeResponse>;

/** An event on the parent; the shell posts it, at best effort. `message` holds no value of a Secret. */
export interface HookEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

export interface HookResult<Response, Outcome extends string> {
  readonly response: Response;
  readonly events: readonly HookEvent[];
  /** In one word, for logs and metrics. */
  readonly outcome: Outcome;
}
