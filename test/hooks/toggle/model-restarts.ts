// SPDX-License-Identifier: Apache-2.0
// Models restarts in the model check: who wrote the pod template's annotation, and what an answer makes of it.
import type { Deployment } from "../../../hooks/toggle/deployment.ts";
import { type Child, check, isOn, isSwitched, type Model, type World } from "./model-state.ts";
import { edit } from "./model-switches.ts";
import { UID } from "./request.ts";

const RESTARTED_AT = "kubectl.kubernetes.io/restartedAt";
/** The times of restarts, in order. */
const TIMES = ["2026-11-22T08:00:00Z", "2026-11-22T08:30:00Z", "2026-11-22T09:00:00Z"];

/** The time after `time`; undefined after the last. */
const after = (time: string | undefined): string | undefined =>
  TIMES[time === undefined ? 0 : TIMES.indexOf(time) + 1];

/** Somebody asks for a restart, later than any before. */
export const askRestart = (world: World): World => {
  const last = world.deployments.web?.restarted?.at ?? "";
  const { restartAt = "" } = world.spec;
  const at = after((last > restartAt ? last : restartAt) || undefined);
  return at === undefined ? world : edit(world, { restartAt: at });
};

/** Somebody takes the wish out of the spec. */
export const forgetRestart = (world: World): World => {
  if (world.spec.restartAt === undefined) return world;
  const { spec, ...edited } = edit(world, {});
  const { restartAt, ...rest } = spec;
  return { ...edited, spec: rest };
};

/** `kubectl rollout restart deployment`. */
export const restartByOthers = (world: World): World => {
  const model = world.deployments.web;
  const at = after(model?.restarted?.at);
  if (model === undefined || at === undefined) return world;
  const restarted: Model = {
    ...model,
    restarted: { at, by: "others" },
    generation: model.generation + 1,
  };
  return { ...world, deployments: { ...world.deployments, web: restarted } };
};

/** Whether the spec asks for a restart that the Deployment has not had. */
export const isRestartDue = (world: World, { restarted, replicas }: Model): boolean =>
  (world.spec.restartAt ?? "") > (restarted?.at ?? "") && (isSwitched(world) ? isOn(world) : replicas > 0);

/** `deployment` with the annotation, and the record of who wrote it. */
export const withRestarted = (deployment: Deployment, { restarted }: Model): Deployment => {
  if (restarted === undefined) return deployment;
  const annotations = { [RESTARTED_AT]: restarted.at };
  const { template } = deployment.spec;
  const metadata = { ...(template?.metadata as object | undefined), annotations };
  const fields = { "f:metadata": { "f:annotations": { [`f:${RESTARTED_AT}`]: {} } } };
  const reference = { "f:metadata": { "f:ownerReferences": { [`k:${JSON.stringify({ uid: UID })}`]: {} } } };
  return {
    ...deployment,
    metadata: {
      ...deployment.metadata,
      managedFields: [
        {
          manager: "metacontroller",
          fieldsV1: {
            ...reference,
            ...(restarted.by === "engine" && { "f:spec": { "f:template": fields } }),
          },
        },
      ],
    },
    spec: { ...deployment.spec, template: { ...template, metadata } },
  };
};

const restartIn = ({ spec: { template } }: Child): string | undefined => {
  const { metadata } = (template ?? {}) as { metadata?: { annotations?: Record<string, string> } };
  return metadata?.annotations?.[RESTARTED_AT];
};

/** The restart that a Deployment is made with. */
export const restartedNew = (child: Child): Pick<Model, "restarted"> => {
  const at = restartIn(child);
  return at === undefined ? {} : { restarted: { at, by: "engine" } };
};

/** What applying `child` makes of the restart that `model` has had: never taken back, never to an earlier time. */
export const restartedBy = (model: Model, child: Child): Partial<Model> => {
  const { restarted, generation } = model;
  const at = restartIn(child);
  check(at !== undefined || restarted?.by !== "engine", "a restart is taken back, which is another restart");
  if (at === undefined) return {};
  check(at >= (restarted?.at ?? ""), `a restart goes back from ${restarted?.at} to ${at}`);
  return at === restarted?.at
    ? { restarted: { at, by: "engine" } }
    : { restarted: { at, by: "engine" }, generation: generation + 1 };
};

/** What is wrong with the restarts of a Deployment of ours in a world at rest. */
export const faultOfRestart = (world: World, model: Model): string | undefined =>
  isRestartDue(world, model) ? `rests without the restart of ${world.spec.restartAt}` : undefined;
