// SPDX-License-Identifier: Apache-2.0
// Defines the Toggle resource in one schema for the TypeScript types, the hooks' input checks and the CRD
// (scripts/generate.ts).
import { type SchemaOptions, type Static, Type } from "@sinclair/typebox";
import { enumeration } from "../enumeration.ts";
import { DNS_SUBDOMAIN, LABEL_VALUE, MAX_NAME } from "../formats.ts";
import { conditions } from "../kubernetes.ts";
import { CustomizeRequest, ObjectsByName, Parent, SyncRequest } from "../metacontroller.ts";
import { TIME_PATTERN } from "../rfc3339.ts";
import { Deployment } from "./deployment.ts";
import { DECIDERS, NextChange, ScheduleSpec, Switched } from "./schedule-schema.ts";
import { TARGET_RULES, TargetRef } from "./target.ts";

/** The rest of a pod template is Kubernetes' own: the API server checks it when the Deployment is made. */
const ANY_OTHER_FIELD = { "x-kubernetes-preserve-unknown-fields": true } as const;

const labels = (options: SchemaOptions) =>
  Type.Record(Type.String(), Type.String({ maxLength: 63, pattern: LABEL_VALUE }), {
    maxProperties: 32,
    ...options,
  });

/** spec.template: a pod template. */
export const PodTemplate = Type.Object(
  {
    metadata: Type.Optional(
      Type.Object(
        {
          labels: Type.Optional(
            labels({ description: "Labels of the pods. Those of the selector are added." }),
          ),
          annotations: Type.Optional(
            Type.Record(Type.String(), Type.String({ maxLength: 16384 }), { maxProperties: 64 }),
          ),
        },
        ANY_OTHER_FIELD,
      ),
    ),
    spec: Type.Object(
      {
        containers: Type.Array(Type.Object({ name: Type.String({ minLength: 1 }) }, ANY_OTHER_FIELD), {
          minItems: 1,
          maxItems: 64,
        }),
      },
      ANY_OTHER_FIELD,
    ),
  },
  {
    description:
      "Pod template, where the installation allows it (TOGGLE_TEMPLATES). With it the Toggle makes the Deployment where there is none, and deletes it with itself. A Deployment that was there before is only scaled.",
  },
);
export type PodTemplate = Static<typeof PodTemplate>;

/** spec of a Toggle. What is left out takes the default; deploymentName defaults to the object's name. */
export const ToggleSpec = Type.Object(
  {
    enabled: Type.Optional(
      Type.Boolean({
        description:
          "On or off. Without it the Deployment is left at the replicas that it has, until somebody sets it.",
      }),
    ),
    selector: Type.Object(
      { matchLabels: labels({ minProperties: 1, description: "Labels that the Deployment carries." }) },
      {
        description:
          "Selects the Deployment. It should match no other: another one is left as it is, and reported in the status.",
      },
    ),
    deploymentName: Type.Optional(
      Type.String({
        pattern: DNS_SUBDOMAIN,
        minLength: 1,
        maxLength: MAX_NAME,
        description: "Name of the Deployment, in the namespace of the Toggle. Default: the Toggle's name.",
      }),
    ),
    targetRef: Type.Optional(TargetRef),
    replicas: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 2147483647,
        format: "int32",
        description:
          "Replicas when on. Default: as many as the Deployment had before it was switched off, or 1 if that is not known.",
      }),
    ),
    until: Type.Optional(
      Type.String({
        crdFormat: "date-time",
        pattern: TIME_PATTERN,
        maxLength: 64,
        description:
          "Off from this time on, whatever enabled says (RFC 3339); with a schedule until its next edge after that.",
      }),
    ),
    schedule: Type.Optional(ScheduleSpec),
    replicaPolicy: Type.Optional(
      enumeration(["Fixed", "Floor"], {
        default: "Fixed",
        description:
          "Fixed puts back what others scale. Floor leaves every count of at least spec.replicas (or 1) as it is while on, for an autoscaler.",
      }),
    ),
    deletionPolicy: Type.Optional(
      enumeration(["Orphan", "Delete"], {
        default: "Orphan",
        description:
          "What becomes of the Deployment when the Toggle is deleted, unless the Toggle made it. Orphan holds the deletion up until it is repeated with --cascade=orphan.",
      }),
    ),
    dependsOn: Type.Optional(
      Type.Array(Type.String({ pattern: DNS_SUBDOMAIN, minLength: 1, maxLength: MAX_NAME }), {
        maxItems: 16,
        "x-kubernetes-list-type": "set",
        description:
          "Names of Toggles of the namespace. It starts once all of them are running, and they stop only after it.",
      }),
    ),
    restartAt: Type.Optional(
      Type.String({
        crdFormat: "date-time",
        pattern: TIME_PATTERN,
        maxLength: 64,
        description:
          "Replaces all pods of the Deployment when it is set to a later time (RFC 3339), at once, as kubectl rollout restart does. The pod template is annotated with it.",
      }),
    ),
    requestedBy: Type.Optional(
      Type.String({ maxLength: 255, description: "Who switched last, for people to read." }),
    ),
    reason: Type.Optional(
      Type.String({ maxLength: 1024, description: "Why it was switched last, for people to read." }),
    ),
    requestedAt: Type.Optional(
      Type.String({
        crdFormat: "date-time",
        pattern: TIME_PATTERN,
        maxLength: 64,
        description:
          "When it was switched last (RFC 3339). A new value overrides the schedule again where enabled is what it was already.",
      }),
    ),
    template: Type.Optional(PodTemplate),
  },
  {
    "x-kubernetes-validations": [
      {
        rule: "!has(self.template) || !has(oldSelf.template) || self.selector.matchLabels == oldSelf.selector.matchLabels",
        message: "selector can't change while template is set: a Deployment can't change its own",
      },
      ...TARGET_RULES,
    ],
  },
);
export type ToggleSpec = Static<typeof ToggleSpec>;

/** status.phase; docs/toggle.md explains each. */
export const PHASES = [
  "Off",
  "Stopping",
  "Starting",
  "Running",
  "Degraded",
  "Missing",
  "Conflict",
  "Blocked",
] as const;
export type Phase = (typeof PHASES)[number];

const count = (description: string, minimum = 0) =>
  Type.Optional(Type.Integer({ minimum, format: "int32", description }));

/** status.lastScaled: the last time that an answer gave the Deployment another count than it had. */
export const LastScaled = Type.Object(
  {
    generation: Type.Integer({ format: "int64", description: "Generation that the Deployment had before." }),
    putBacks: Type.Integer({
      minimum: 0,
      format: "int32",
      description: "How often in a row the same count had to be set again; not counted beyond 3.",
    }),
    time: Type.String({
      crdFormat: "date-time",
      pattern: TIME_PATTERN,
      description: "When; while the Toggle is contended it moves once a minute at the most.",
    }),
  },
  { description: "When the Deployment was last given another count than it had." },
);
export type LastScaled = Static<typeof LastScaled>;

/** status.progress: how far a start has come. Its counts are the best that there were, so that one that comes and goes is none. */
export const Progress = Type.Object(
  {
    generation: Type.Integer({
      format: "int64",
      description: "Generation of the Deployment; 0 before it is made.",
    }),
    time: Type.String({
      crdFormat: "date-time",
      pattern: TIME_PATTERN,
      description: "When it came further the last time, or began.",
    }),
    updated: count("The most pods of the newest template."),
    outdated: count("The fewest pods of older templates."),
    ready: count("The most ready pods."),
    available: count("The most available pods."),
  },
  { description: "How far the start has come that is under way." },
);
export type Progress = Static<typeof Progress>;

/** status of a Toggle. It changes only when something happened. */
export const ToggleStatus = Type.Object({
  observedGeneration: Type.Optional(
    Type.Integer({ format: "int64", description: "Generation of the spec that this status speaks of." }),
  ),
  phase: Type.Optional(enumeration(PHASES, { description: "What the Deployment is doing." })),
  desiredReplicas: count("Replicas that the Deployment shall have now; 0 when off."),
  replicas: count("Replicas that the Deployment has."),
  readyReplicas: count("Replicas that are ready."),
  availableReplicas: count("Replicas that are available."),
  lastReplicas: count("Replicas that the Deployment gets back when it is switched on.", 1),
  deploymentName: Type.Optional(
    Type.String({
      description:
        "Deployment that lastReplicas was counted of; of a StatefulSet it is statefulset/ and its name.",
    }),
  ),
  lastScaled: Type.Optional(LastScaled),
  decidedBy: Type.Optional(
    enumeration(DECIDERS, {
      description:
        "What decided whether it is on: the schedule, a command in chat, spec.until which has passed, or spec.enabled.",
    }),
  ),
  nextChange: Type.Optional(NextChange),
  waitingFor: Type.Optional(
    Type.Array(Type.String(), {
      maxItems: 16,
      description: "Toggles that it waits for before it starts or stops (spec.dependsOn of it, or of them).",
    }),
  ),
  switched: Type.Optional(Switched),
  progress: Type.Optional(Progress),
  problem: Type.Optional(
    Type.String({ description: "Why its pods are not ready, where they tell; message says it too." }),
  ),
  message: Type.Optional(
    Type.String({ description: "The phase in words, and what to do where something is wrong." }),
  ),
  conditions: Type.Optional(
    conditions("Ready; Reconciling, Stalled, SelectorTooWide, TemplateUnused and Contended where they hold."),
  ),
});
export type ToggleStatus = Static<typeof ToggleStatus>;

/** A Toggle as a hook request carries it. */
export const Toggle = Parent("Toggle", ToggleSpec);
export type Toggle = Static<typeof Toggle>;

/** The body of POST /hooks/toggle/sync and …/finalize. */
export const ToggleSyncRequest = SyncRequest(
  Toggle,
  {
    "Deployment.apps/v1": Type.Optional(ObjectsByName(Deployment)),
    "StatefulSet.apps/v1": Type.Optional(ObjectsByName(Deployment)),
  },
  // Only told of: each is read by itself, and one that is not as expected says nothing (pod.ts).
  { "Pod.v1": Type.Optional(ObjectsByName(Type.Unknown())) },
);
export type ToggleSyncRequest = Static<typeof ToggleSyncRequest>;

/** The body of POST /hooks/toggle/customize. */
export const ToggleCustomizeRequest = CustomizeRequest(Toggle);
export type ToggleCustomizeRequest = Static<typeof ToggleCustomizeRequest>;
