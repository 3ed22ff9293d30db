// SPDX-License-Identifier: Apache-2.0
// Defines the model check's state of a Toggle and its cluster, and queries on it.
import type { StringMap } from "../../../hooks/kubernetes.ts";
import type { Deployment } from "../../../hooks/toggle/deployment.ts";
import type { ToggleSpec, ToggleStatus } from "../../../hooks/toggle/schema.ts";
import { idOf } from "../interned.ts";

export type Name = "web" | "api";

/** A Deployment in the cluster. */
export interface Model {
  readonly uid: string;
  readonly generation: number;
  readonly replicas: number;
  readonly matches: boolean;
  readonly owner: "us" | "other" | "nobody";
  readonly annotations: StringMap;
  /** Whether the Toggle made it: known to the model, not to the hook. */
  readonly made: boolean;
  /** What its controller has seen and done. */
  readonly seen: number;
  readonly pods: number;
  /** Its labels by which other Toggles find it. */
  readonly links: StringMap;
  /** The pod template's note of the last restart, and who wrote it last. */
  readonly restarted?: { readonly at: string; readonly by: "engine" | "others" };
}

/** What of another Toggle a Toggle sees, where the two are linked by spec.dependsOn; known for the length of a sync. */
export interface Around {
  /** Name of the Toggle that is looked at. */
  readonly name: string;
  /** Deployments of the other. */
  readonly related: readonly Deployment[];
  /** Whether all that it depends on is up, and whether something is that depends on it. */
  readonly mayStart: boolean;
  readonly mayStop: boolean;
}

export interface World {
  readonly spec: Partial<ToggleSpec>;
  readonly until: "none" | "future" | "past";
  /** Whether the installation allows spec.template, and whether that may change. */
  readonly templates: "always" | "allowed" | "forbidden";
  readonly deployments: Readonly<Partial<Record<Name, Model>>>;
  /** What Metacontroller last applied, by name: bytes of the child, to which object, and the generation after it. */
  readonly applied: Readonly<Partial<Record<Name, { bytes: string; uid: string; generation: number }>>>;
  readonly status: ToggleStatus | undefined;
  readonly deletion: "none" | "background" | "orphan" | "done";
  /** Moves to and fro with each edit of a spec that a status speaks of, where the status has a count that was set. */
  readonly generation: 1 | 2;
  /** Quiet times that have passed, each of eleven minutes. */
  readonly quiet: number;
  /** How many edges of the schedule have passed: before 18:00, after it, and on the next day after 08:00. */
  readonly edges: 0 | 1 | 2;
  /** The last switch by hand where there is a schedule, and after how many edges it was. */
  readonly hand?: {
    readonly on: boolean;
    readonly by: "Command" | "Spec";
    readonly edges: number;
    /** Whether a status was written since: a switch to and fro before that is none (ADR 8). */
    readonly seen: boolean;
  };
  /** How often somebody else scaled the named Deployment, or made it anew, since the last quiet time; as far as three. */
  readonly raises: number;
  /** The count that each Deployment must get back, as the model knows it. */
  readonly had: Readonly<Partial<Record<Name, number>>>;
  readonly around?: Around;
}

/** A Toggle of `spec` that nothing has happened to yet, with no Deployment. */
export const freshWorld = (spec: Partial<ToggleSpec>, templates: World["templates"] = "always"): World => ({
  spec,
  templates,
  until: "none",
  deployments: {},
  applied: {},
  status: undefined,
  deletion: "none",
  generation: 1,
  quiet: 0,
  edges: 0,
  raises: 0,
  had: {},
});

/** A child of an answer. */
export interface Child {
  readonly metadata: { readonly name: Name; readonly annotations?: StringMap; readonly labels?: StringMap };
  readonly spec: { readonly replicas?: number; readonly template?: unknown };
}

export const named = (world: World): Name => (world.spec.deploymentName ?? "web") as Name;
/** Whether the spec has a template that is not allowed. */
export const isForbidden = ({ spec, templates }: World): boolean =>
  spec.template !== undefined && templates === "forbidden";
export const isSwitched = (world: World): boolean =>
  world.spec.schedule !== undefined || world.spec.enabled !== undefined || world.until === "past";
export const isContended = ({ status }: World): boolean =>
  status?.conditions?.some(({ type }) => type === "Contended") === true;
/** On, or not switched and so on as far as a Deployment that is made of the template goes. */
export const isOn = (world: World): boolean =>
  world.spec.schedule === undefined
    ? world.spec.enabled !== false && world.until !== "past"
    : (handOf(world)?.on ?? world.edges !== 1);
/** The switch by hand that no edge has overtaken. */
export const handOf = ({ hand, edges }: World): World["hand"] => (hand?.edges === edges ? hand : undefined);

/** On, and at 0 because something that it depends on is not up. */
export const isWaitingToStart = (world: World, { replicas }: Model): boolean =>
  world.around?.mayStart === false && isSwitched(world) && isOn(world) && replicas === 0;
/** Off, and up because something is that depends on it. */
export const isWaitingToStop = (world: World, { replicas }: Model): boolean =>
  world.around?.mayStop === false && isSwitched(world) && !isOn(world) && replicas > 0;

/** The same for equal worlds alone. */
export const keyOf = (world: World): string =>
  Object.entries(world)
    .map(([name, part]) => `${name} ${typeof part === "object" ? idOf(part, JSON.stringify) : part}`)
    .join();

/** Throws where an invariant is broken. */
export const check = (holds: boolean, broken: string): void => {
  if (!holds) throw new Error(broken);
};

export const all = (world: World): [Name, Model][] =>
  (["api", "web"] as const).flatMap((name) => {
    const found = world.deployments[name];
    return found === undefined ? [] : [[name, found] as [Name, Model]];
  });

export const isChild = ({ owner, matches }: Model): boolean => owner === "us" && matches;
