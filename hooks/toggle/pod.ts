// SPDX-License-Identifier: Apache-2.0
// Defines the Pod as the Toggle hooks read it, and finds those that a Deployment or StatefulSet has of its newest template.
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { sortedEntries } from "../formats.ts";
import { ObjectMeta } from "../kubernetes.ts";
import { controllerOf } from "../metadata.ts";
import type { Deployment } from "./deployment.ts";
import type { ToggleSyncRequest } from "./schema.ts";

const Text = Type.Optional(Type.String());
const listOf = <S extends TSchema>(schema: S) => Type.Optional(Type.Array(schema));

/** Kubernetes writes null for a time that there is none of. */
const Time = Type.Optional(Type.Union([Type.String(), Type.Null()]));

/** How a container ended. Its message is not read: it is what the program wrote last. */
const Terminated = Type.Object({
  exitCode: Type.Integer(),
  reason: Text,
  startedAt: Time,
  finishedAt: Time,
});
export type Terminated = Static<typeof Terminated>;

const ContainerState = Type.Object({
  waiting: Type.Optional(Type.Object({ reason: Text, message: Text })),
  running: Type.Optional(Type.Object({ startedAt: Time })),
  terminated: Type.Optional(Terminated),
});

export const ContainerStatus = Type.Object({
  name: Type.String(),
  ready: Type.Optional(Type.Boolean()),
  restartCount: Type.Optional(Type.Integer()),
  state: Type.Optional(ContainerState),
  lastState: Type.Optional(ContainerState),
});
export type ContainerStatus = Static<typeof ContainerStatus>;

/** Of a container only what tells whose image it is: neither command nor environment. */
const Container = Type.Object({ name: Type.String(), image: Text });

/** v1 Pod, as far as hooks read it. An unknown field passes. */
export const Pod = Type.Object({
  metadata: ObjectMeta,
  spec: Type.Object({ containers: listOf(Container), initContainers: listOf(Container) }),
  status: Type.Optional(
    Type.Object({
      phase: Text,
      reason: Text,
      conditions: listOf(
        Type.Object({ type: Type.String(), status: Type.String(), reason: Text, message: Text }),
      ),
      initContainerStatuses: listOf(ContainerStatus),
      containerStatuses: listOf(ContainerStatus),
    }),
  ),
});
export type Pod = Static<typeof Pod>;

const pod = TypeCompiler.Compile(Pod);

/** What tells a pod's template: a ReplicaSet writes the first of these labels to its pods, a StatefulSet the second. */
const hashOf = ({ metadata }: Pod): string =>
  metadata.labels?.["pod-template-hash"] ?? metadata.labels?.["controller-revision-hash"] ?? "";

/** Who makes the pods of `deployment` with the template of `one`. */
const makerOf = (one: Pod, { kind, metadata }: Deployment): { kind: string; name: string } =>
  kind === "StatefulSet"
    ? { kind, name: metadata.name }
    : { kind: "ReplicaSet", name: `${metadata.name}-${hashOf(one)}` };

/** Whether `deployment`, or a ReplicaSet of it, made `one`, and it is not being deleted. */
const isOf = (one: Pod, deployment: Deployment): boolean => {
  const { metadata } = one;
  const owner = controllerOf(one);
  const maker = makerOf(one, deployment);
  return (
    metadata.deletionTimestamp === undefined &&
    metadata.namespace === deployment.metadata.namespace &&
    owner?.kind === maker.kind &&
    owner.name === maker.name &&
    Object.entries(deployment.spec.selector?.matchLabels ?? {}).every(
      ([key, value]) => metadata.labels?.[key] === value,
    )
  );
};

/** The ReplicaSet that the Deployment's controller speaks of: that of the newest template. */
const namedReplicaSet = ({ status }: Deployment): string | undefined =>
  /"([^"]+)"/.exec(status?.conditions?.find(({ type }) => type === "Progressing")?.message ?? "")?.[1];

/** The hash of the newest template: as the Deployment's controller says, or else that of the pod that was made last. */
const newestHash = (pods: readonly Pod[], deployment: Deployment): string | undefined => {
  const { updateRevision } = deployment.status ?? {};
  if (deployment.kind === "StatefulSet" && updateRevision !== undefined) return updateRevision;
  const prefix = `${deployment.metadata.name}-`;
  const named = namedReplicaSet(deployment);
  if (named?.startsWith(prefix)) return named.slice(prefix.length);
  const madeAt = ({ metadata }: Pod): string => `${metadata.creationTimestamp ?? ""} ${metadata.name}`;
  return pods
    .toSorted((a, b) => (madeAt(a) < madeAt(b) ? 1 : -1))
    .map(hashOf)
    .at(0);
};

/** The pods in `related` that `deployment` has of its newest template, by name. One that can't be read is none. */
export const podsOf = (related: ToggleSyncRequest["related"], deployment: Deployment): Pod[] => {
  const pods = sortedEntries(related["Pod.v1"] ?? {}).flatMap(([, one]) =>
    pod.Check(one) && isOf(one, deployment) ? [one] : [],
  );
  const newest = newestHash(pods, deployment);
  return pods.filter((one) => hashOf(one) === newest);
};
