// SPDX-License-Identifier: Apache-2.0
// Defines the Deployment, and the StatefulSet, as the Toggle hooks read it, and the annotations that they write to it.
import { type Static, Type } from "@sinclair/typebox";
import { ObjectMeta, StringMap } from "../kubernetes.ts";
import { ownsField, ownsReference } from "../metadata.ts";

const Count = Type.Optional(Type.Integer());

/**
 * apps/v1 Deployment or StatefulSet, as far as hooks read it. They read and write both in the same way but for a rollout
 * (phase.ts), and call both by the name of the first. An unknown field passes.
 */
export const Deployment = Type.Object({
  apiVersion: Type.Literal("apps/v1"),
  kind: Type.Union([Type.Literal("Deployment"), Type.Literal("StatefulSet")]),
  metadata: ObjectMeta,
  spec: Type.Object({
    replicas: Type.Optional(Type.Integer({ minimum: 0 })),
    paused: Type.Optional(Type.Boolean()),
    minReadySeconds: Count,
    selector: Type.Optional(Type.Object({ matchLabels: Type.Optional(StringMap) })),
    template: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    /** Of a StatefulSet alone. */
    updateStrategy: Type.Optional(
      Type.Object({
        type: Type.Optional(Type.String()),
        rollingUpdate: Type.Optional(Type.Object({ partition: Count })),
      }),
    ),
  }),
  status: Type.Optional(
    Type.Object({
      observedGeneration: Count,
      replicas: Count,
      updatedReplicas: Count,
      /** Of a StatefulSet alone: the revision of its newest template. */
      updateRevision: Type.Optional(Type.String()),
      readyReplicas: Count,
      availableReplicas: Count,
      terminatingReplicas: Count,
      conditions: Type.Optional(
        Type.Array(
          Type.Object({
            type: Type.String(),
            status: Type.String(),
            reason: Type.Optional(Type.String()),
            message: Type.Optional(Type.String()),
          }),
        ),
      ),
    }),
  ),
});
export type Deployment = Static<typeof Deployment>;

/** The count that a Deployment goes back to, written in the same apply that scales it to 0: a crash can't part the two. */
export const REPLICAS_WHEN_ON = "toggle.j5t.io/replicas-when-on";
/** The uid of the Toggle that wrote that count: only its own is worth something once the Deployment has replicas again. */
export const SWITCHED_OFF_BY = "toggle.j5t.io/switched-off-by";
/** The uid of the Toggle that made the Deployment; it is written when the Deployment is made and never later. */
export const MADE_BY = "toggle.j5t.io/made-by";

/** It is to stop, and waits for those that depend on it: nothing starts any more that does (hold.ts). */
export const STOPPING = "toggle.j5t.io/stopping";

/** The last time that a count was put back (put-back.ts). */
export const PUT_BACK = "toggle.j5t.io/put-back";

/** The replicas that `deployment` asks for; the API server's default is 1. */
export const replicasOf = (deployment: Deployment): number => deployment.spec.replicas ?? 1;

/** Names for a message: all of a few, a few of many. */
export const namesOf = (deployments: readonly Deployment[]): string => {
  const names = deployments.map(({ metadata }) => metadata.name);
  return names.length > 5 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ");
};

/** The count that was noted on `deployment` when it was scaled to 0. */
export const notedCount = (deployment: Deployment): number | undefined => {
  const noted = deployment.metadata.annotations?.[REPLICAS_WHEN_ON] ?? "";
  return /^[1-9][0-9]{0,8}$/.test(noted) ? Number(noted) : undefined;
};

/** Whether the Toggle with `uid` scaled `deployment` to 0, noted its count, and has not switched it on since. */
export const isSwitchedOffBy = (deployment: Deployment, uid: string): boolean =>
  deployment.metadata.annotations?.[SWITCHED_OFF_BY] === uid;

/** The field managers that are the engine: whoever wrote the ownerReference of the Toggle with `uid`. */
const enginesOf = ({ metadata }: Deployment, uid: string): ReadonlySet<string | undefined> =>
  new Set(
    (metadata.managedFields ?? []).filter((entry) => ownsReference(entry, uid)).map(({ manager }) => manager),
  );

/** Whether the engine, by the ownerReference of the Toggle with `uid`, has the field at `path`. */
export const isEnginesField = (deployment: Deployment, uid: string, path: readonly string[]): boolean => {
  const engines = enginesOf(deployment, uid);
  return (deployment.metadata.managedFields ?? []).some(
    (entry) => engines.has(entry.manager) && ownsField(entry, path),
  );
};

/** The field managers beside the engine that set the replicas which `deployment` has, in order. */
export const scalersOf = (deployment: Deployment, uid: string): string[] => {
  const engines = enginesOf(deployment, uid);
  const others = (deployment.metadata.managedFields ?? []).flatMap((entry) =>
    entry.manager === undefined || engines.has(entry.manager) || !ownsField(entry, ["f:spec", "f:replicas"])
      ? []
      : [entry.manager],
  );
  return [...new Set(others)].sort();
};

/**
 * Whether the Toggle with `uid` made `deployment`. The note alone is no proof, because people copy Deployments and because
 * server-side apply takes over what somebody made at the same moment: nobody but the engine may have written the selector,
 * which only the maker of a Deployment must write.
 */
export const isMadeBy = (deployment: Deployment, uid: string): boolean => {
  if (deployment.metadata.annotations?.[MADE_BY] !== uid) return false;
  const engines = enginesOf(deployment, uid);
  return (deployment.metadata.managedFields ?? []).every(
    (entry) => engines.has(entry.manager) || !ownsField(entry, ["f:spec", "f:selector"]),
  );
};
