// SPDX-License-Identifier: Apache-2.0
// Defines the Kubernetes objects that the HSMDevice hooks read: Deployments, other children, Pods of discovery, Nodes.
import { type Static, Type } from "@sinclair/typebox";
import { AnyObject, ObjectMeta } from "../kubernetes.ts";

const Container = Type.Object({
  name: Type.String(),
  image: Type.Optional(Type.String()),
  imagePullPolicy: Type.Optional(Type.String()),
});

/** core/v1 PodSpec, as far as hooks read it. */
export const PodSpec = Type.Object({
  nodeName: Type.Optional(Type.String()),
  containers: Type.Optional(Type.Array(Container)),
  imagePullSecrets: Type.Optional(Type.Array(Type.Object({ name: Type.Optional(Type.String()) }))),
});
export type PodSpec = Static<typeof PodSpec>;

/** apps/v1 Deployment of an agent, as far as hooks read it. An unknown field passes. */
export const Deployment = Type.Object({
  apiVersion: Type.Literal("apps/v1"),
  kind: Type.Literal("Deployment"),
  metadata: ObjectMeta,
  spec: Type.Object({
    replicas: Type.Optional(Type.Integer()),
    template: Type.Optional(Type.Object({ spec: Type.Optional(PodSpec) })),
  }),
  status: Type.Optional(
    Type.Object({
      observedGeneration: Type.Optional(Type.Integer()),
      availableReplicas: Type.Optional(Type.Integer()),
    }),
  ),
});
export type Deployment = Static<typeof Deployment>;

/** A Service or a NetworkPolicy: only whose it is matters. */
export const Named = AnyObject;

/** v1 Pod of discovery or of an agent. */
export const Pod = Type.Object({
  metadata: ObjectMeta,
  spec: Type.Optional(PodSpec),
  status: Type.Optional(
    Type.Object({
      phase: Type.Optional(Type.String()),
      podIP: Type.Optional(Type.String()),
      conditions: Type.Optional(Type.Array(Type.Object({ type: Type.String(), status: Type.String() }))),
    }),
  ),
});
export type Pod = Static<typeof Pod>;

/** v1 Node. */
export const Node = Type.Object({ metadata: ObjectMeta });
export type Node = Static<typeof Node>;
