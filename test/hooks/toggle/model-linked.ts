// SPDX-License-Identifier: Apache-2.0
// Models two Toggles of which one, web, may depend on the other, db: each is a world of its own, and sees of the other what
// Metacontroller shows of its Deployment by the rules of customize.
import type { Deployment } from "../../../hooks/toggle/deployment.ts";
import { customize } from "../../../hooks/toggle/index.ts";
import type { Mishap } from "./model-invariants.ts";
import { type Around, check, isOn, keyOf, type Model, type World } from "./model-state.ts";
import { shown, step } from "./model-world.ts";
import { ownerReference, request } from "./request.ts";

/** Names of the Toggles; each calls its own Deployment web. */
export type Side = "web" | "db";

export type Linked = Readonly<Record<Side, World>>;

const OTHER: Readonly<Record<Side, Side>> = { web: "db", db: "web" };
const DEPENDS_ON_DB = "depends-on.toggle.j5t.io/db";

/** The Deployment of the Toggle `side`, as the other one sees it. */
const shownToOther = (side: Side, model: Model): Deployment => {
  const seen = shown("web", model);
  const ownerReferences = model.owner === "us" ? [ownerReference(`uid-of-${side}`, side)] : [];
  return { ...seen, metadata: { ...seen.metadata, name: `of-${side}`, ownerReferences } };
};

const rulesOf = (side: Side, spec: World["spec"]) => {
  const { parent, controller } = request({ metadata: { name: side }, spec });
  return customize(parent, controller).relatedResources;
};

/** Whether a rule of customize asks for `deployment`. */
const isAskedFor = (side: Side, { spec }: World, deployment: Deployment): boolean =>
  rulesOf(side, spec).some(({ labelSelector }) =>
    Object.entries(labelSelector?.matchLabels ?? { none: "" }).every(
      ([key, value]) => deployment.metadata.labels?.[key] === value,
    ),
  );

/** Whether all pods of a Deployment are there, and are to stay. */
const isUp = (model: Model): boolean =>
  model.replicas > 0 &&
  model.seen >= model.generation &&
  model.pods === model.replicas &&
  model.annotations["toggle.j5t.io/stopping"] === undefined;

const isDown = (model: Model): boolean =>
  model.replicas === 0 && model.seen >= model.generation && model.pods === 0;

const ownedBy = ({ deployments: { web } }: World): Model | undefined =>
  web?.owner === "us" ? web : undefined;

export const dependsOn = ({ spec }: World, name: Side): boolean => spec.dependsOn?.includes(name) === true;

/** What the Toggle `side` sees of the other. */
const aroundOf = (linked: Linked, side: Side): Around => {
  const other = OTHER[side];
  const model = linked[other].deployments.web;
  const seen = model && shownToOther(other, model);
  const owned = ownedBy(linked[other]);
  const isNamed = owned?.links["toggle.j5t.io/toggle"] === other;
  const isHeldBy = owned?.links[DEPENDS_ON_DB] !== undefined;
  return {
    name: side,
    related: seen !== undefined && isAskedFor(side, linked[side], seen) ? [seen] : [],
    mayStart: !dependsOn(linked[side], other) || (owned !== undefined && isNamed && isUp(owned)),
    mayStop: side === "web" || owned === undefined || !isHeldBy || isDown(owned),
  };
};

/** Nothing starts before what it depends on, and nothing stops before what depends on it. */
const checkOrder = (side: Side, before: World, after: World, { mayStart, mayStop }: Around): void => {
  const [was, is] = [before.deployments.web, after.deployments.web];
  if (was === undefined || is === undefined) return;
  check(!(was.replicas === 0 && is.replicas > 0) || mayStart, `${side} starts without the other`);
  check(!(was.replicas > 0 && is.replicas === 0) || mayStop, `${side} stops under the other`);
};

/** One sync of the Toggle `side`. */
export const stepOf =
  (side: Side, mishap: Mishap = "none") =>
  (linked: Linked): Linked => {
    const around = aroundOf(linked, side);
    const { around: _, ...world } = step({ ...linked[side], around }, mishap).world;
    checkOrder(side, linked[side], world, around);
    return { ...linked, [side]: world };
  };

/** The linked worlds after something has happened to one of them. */
export const on =
  (side: Side, act: (world: World) => World) =>
  (linked: Linked): Linked => {
    const after = act(linked[side]);
    return after === linked[side] ? linked : { ...linked, [side]: after };
  };

export const linkedKeyOf = ({ web, db }: Linked): string => `${keyOf(web)} | ${keyOf(db)}`;

/** What the Toggle `side` must come to rest in, and whether it waits for the other then. */
const restOf = (linked: Linked, side: Side): [phase: string, waits: boolean] => {
  const world = linked[side];
  const model = ownedBy(world);
  if (model === undefined) return ["Missing", false];
  const { mayStart, mayStop } = aroundOf(linked, side);
  if (isOn(world)) return model.replicas === 0 && !mayStart ? ["Starting", true] : ["Running", false];
  return model.replicas > 0 && !mayStop ? ["Stopping", true] : ["Off", false];
};

/** What is wrong with the Toggle `side` in a world at rest. */
export const faultOfSide = (linked: Linked, side: Side): string | undefined => {
  const { phase, waitingFor } = linked[side].status ?? {};
  const waits = waitingFor !== undefined;
  const [expected, shallWait] = restOf(linked, side);
  return phase === expected && waits === shallWait
    ? undefined
    : `${side} rests in ${phase}${waits ? ", waiting" : ""}, not in ${expected}`;
};
