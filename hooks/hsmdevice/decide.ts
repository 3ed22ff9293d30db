// SPDX-License-Identifier: Apache-2.0
// Decides which devices of an HSMDevice get an agent, and why another does not.
import { secondsUntil } from "../rfc3339.ts";
import type { Judgement } from "./assessment.ts";
import { agentName, DAEMON_SET_NODE, labelOf } from "./names.ts";
import type { Agent, Surroundings } from "./observed.ts";
import { type Place, placesOf } from "./places.ts";

/** How long the agent of a device that is gone stays, in seconds: a plug that is put into another port takes less. */
const GRACE_SECONDS = 600;

/** What is decided for one device. */
export interface Decision {
  readonly place: Place;
  /** The agent that it has now. */
  readonly agent?: Agent;
  /** Whether the answer lists an agent for it. */
  readonly hasAgent: boolean;
  /** What its agent requests, as the report says; without one, what the agent has. */
  readonly resource?: string;
  /** Why it is not used. */
  readonly unused?: string;
}

const resourceOf = ({ presence, resource }: Place, agent: Agent | undefined): string | undefined =>
  presence === "seen" ? resource : agent?.resource;

/** Why no device of `node` can be used; a privileged reader's daemon takes every reader of its node. */
const nodeFault = (
  { parent, observed }: Judgement,
  around: Surroundings,
  place: Place,
): string | undefined => {
  const { id, node } = place;
  if (around.nodes.get(node)?.metadata.labels?.[DAEMON_SET_NODE] === "true") {
    return `Node ${node} is labelled ${DAEMON_SET_NODE}=true, so that the DaemonSet keyswitch-agent uses its HSM. Take the label away.`;
  }
  const agent = observed.agents.get(id);
  const isShared = resourceOf(place, agent) !== undefined;
  const others = around.otherAgents.filter(
    (one) => one.node === node && (one.id === id || !isShared || one.resource === undefined),
  );
  // Two that were made at once: the name decides, in both in the same way.
  const before = others.find(({ of }) => agent?.node !== node || of < labelOf(parent));
  if (before === undefined) return undefined;
  return before.id === id
    ? `HSMDevice ${before.of} has an agent of it.`
    : `HSMDevice ${before.of} has an agent on node ${node}, which can have one.`;
};

/** Why a device is not in the set; the primary stays until another one is. */
const setFault = ({ spec, before }: Judgement, { id, node }: Place): string | undefined => {
  const { targetNodes, primaryNode } = spec.mirroring ?? {};
  const isMeant = targetNodes === undefined || targetNodes.includes(node) || node === primaryNode;
  return isMeant || id === before.primary
    ? undefined
    : `Node ${node} is neither in spec.mirroring.targetNodes nor the primaryNode.`;
};

const staticFault = (judgement: Judgement, around: Surroundings, place: Place): string | undefined => {
  if (place.fault !== undefined) return place.fault;
  if (place.isPath) {
    return `It was found by its path alone: an agent reaches USB smart cards and readers, which discovery.usb finds.`;
  }
  if (place.isWithheld) {
    return `The device plugin of node ${place.node} offers no resource for it: it is of no type that discovery knows (its CCID_READER_LIST).`;
  }
  const name = agentName(judgement.parent, place.id);
  if (around.foreign.has(`Deployment/${name}`)) {
    return `There is a Deployment ${name} that this HSMDevice did not make. Delete or rename it.`;
  }
  return setFault(judgement, place) ?? nodeFault(judgement, around, place);
};

/** Whether the agent of a device that is gone goes too. While its node does not report the device may be back. */
const isOver = (judgement: Judgement, { node, presence, goneSince }: Place): boolean => {
  const { context, reading, observed } = judgement;
  if (presence !== "gone" || goneSince === undefined) return false;
  const isTold = reading.has(node) || observed.around?.nodes.has(node) === false;
  return isTold && secondsUntil(context.now, goneSince) >= GRACE_SECONDS;
};

/** Those with an agent come first, so that a new device takes nobody's place; then by id. */
const inTurn = (judgement: Judgement, places: readonly Place[]): Place[] => {
  const rank = ({ id, node }: Place): number => {
    const agent = judgement.observed.agents.get(id);
    return agent === undefined ? 2 : agent.node === node ? 0 : 1;
  };
  return [...places].sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
};

/** Whether the agent takes every reader of its node. One that is about to be made anew does until then. */
const isAlone = ({ resource, agent }: Decision): boolean =>
  resource === undefined || (agent !== undefined && agent.resource === undefined);

/** Why a device is not used beside those that are `chosen`. */
const rivalText = (
  { spec }: Judgement,
  { place: { node }, resource }: Decision,
  chosen: readonly Decision[],
): string | undefined => {
  const rival = chosen.find((one) => one.place.node === node && (resource === undefined || isAlone(one)));
  if (rival !== undefined) {
    return `Device ${rival.place.id} of this HSMDevice has an agent on node ${node}, which can have one.`;
  }
  return chosen.length < spec.maxDevices
    ? undefined
    : `There are more devices than maxDevices (${spec.maxDevices}).`;
};

const decideWith = (judgement: Judgement, around: Surroundings, held: ReadonlySet<string>): Decision[] => {
  const places = placesOf(judgement, held);
  const chosen: Decision[] = [];
  const decisions = new Map<Place, Decision>();
  for (const place of inTurn(judgement, places)) {
    const agent = judgement.observed.agents.get(place.id);
    const resource = resourceOf(place, agent);
    const parts = {
      place,
      ...(agent !== undefined && { agent }),
      ...(resource !== undefined && { resource }),
    };
    const unused =
      staticFault(judgement, around, place) ?? rivalText(judgement, { ...parts, hasAgent: false }, chosen);
    // A new agent needs a report that the device is there; one that there is stays until a report says otherwise.
    const hasAgent =
      unused === undefined && !isOver(judgement, place) && (agent !== undefined || place.presence === "seen");
    const decision = { ...parts, hasAgent, ...(unused !== undefined && { unused }) };
    if (hasAgent) chosen.push(decision);
    decisions.set(place, decision);
  }
  return places.flatMap((place) => decisions.get(place) ?? []);
};

/** Agents on silent nodes that `decisions` would take. */
const lostOf = ({ observed, reading }: Judgement, around: Surroundings, decisions: readonly Decision[]) => {
  const kept = new Set(decisions.filter(({ hasAgent }) => hasAgent).map(({ place }) => place.id));
  return [...observed.agents.values()]
    .filter(({ id, node }) => !kept.has(id) && !reading.has(node) && around.nodes.has(node))
    .map(({ id }) => id);
};

/** Which devices get an agent, by id and node. A device leaves a silent node only for a place where it is used. */
export const decide = (judgement: Judgement, around: Surroundings): Decision[] => {
  const held = new Set<string>();
  for (;;) {
    const decisions = decideWith(judgement, around, held);
    const lost = lostOf(judgement, around, decisions).filter((id) => !held.has(id));
    if (lost.length === 0) return decisions;
    for (const id of lost) held.add(id);
  }
};
