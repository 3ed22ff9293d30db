// SPDX-License-Identifier: Apache-2.0
// Decides the pod template's annotation by which spec.restartAt restarts a Deployment, as `kubectl rollout restart` does.
import { Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { StringMap } from "../kubernetes.ts";
import { secondsSinceEpoch } from "../rfc3339.ts";
import { type Deployment, isEnginesField } from "./deployment.ts";
import type { PhaseFound } from "./phase.ts";
import type { Toggle } from "./schema.ts";

/** Every other value of it is another template, so that all pods are replaced. */
const RESTARTED_AT = "kubectl.kubernetes.io/restartedAt";

const Annotated = TypeCompiler.Compile(Type.Object({ metadata: Type.Object({ annotations: StringMap }) }));
const WithMetadata = TypeCompiler.Compile(
  Type.Object({ metadata: Type.Record(Type.String(), Type.Unknown()) }),
);

const restartOf = ({ spec: { template } }: Deployment): string | undefined =>
  Annotated.Check(template) ? template.metadata.annotations[RESTARTED_AT] : undefined;

const isLater = (time: string, than: string): boolean =>
  (secondsSinceEpoch(time) ?? Number.NEGATIVE_INFINITY) >
  (secondsSinceEpoch(than) ?? Number.NEGATIVE_INFINITY);

/**
 * The annotation that a Deployment keeps which is not to be restarted: one that the engine wrote has to be in every answer, for
 * without it the pods would be replaced once more.
 */
export const keptRestart = (deployment: Deployment, uid: string): string | undefined =>
  isEnginesField(deployment, uid, [
    "f:spec",
    "f:template",
    "f:metadata",
    "f:annotations",
    `f:${RESTARTED_AT}`,
  ])
    ? restartOf(deployment)
    : undefined;

/** The annotation that the named `deployment` shall have. A later restart by somebody else stays. */
export const wantedRestart = ({ metadata, spec }: Toggle, deployment: Deployment): string | undefined => {
  if (spec.restartAt === undefined) return keptRestart(deployment, metadata.uid);
  const last = restartOf(deployment);
  return last !== undefined && !isLater(spec.restartAt, last) ? last : spec.restartAt;
};

/** The phase of a Deployment that has not been given its restart yet; undefined where there is none to be given. */
export const phaseOfRestart = (
  parent: Toggle,
  deployment: Deployment,
  desired: number,
): PhaseFound | undefined => {
  const wanted = wantedRestart(parent, deployment);
  if (desired === 0 || wanted === undefined || wanted === restartOf(deployment)) return undefined;
  const message = `The ${deployment.kind} ${deployment.metadata.name} is being restarted.`;
  return { phase: "Starting", message, stuck: false };
};

/** `template`, or as much of one as is ours, with the annotation. */
export const withRestart = (template: unknown, restartedAt: string): Record<string, unknown> => {
  const metadata = WithMetadata.Check(template) ? template.metadata : {};
  const annotations = Annotated.Check(template) ? template.metadata.annotations : {};
  return {
    ...(typeof template === "object" && template),
    metadata: { ...metadata, annotations: { ...annotations, [RESTARTED_AT]: restartedAt } },
  };
};
