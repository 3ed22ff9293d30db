// SPDX-License-Identifier: Apache-2.0
// Gives the tokens of an HSMDevice a new PIN, one after the other, so that at every moment each agent has the PIN of its token.
import type { AgentCalls } from "../agent/agent-api-calls.ts";
import type { Refused } from "../agent/answer.ts";
import type { EditedSecret } from "../cluster/pin-secret.ts";
import { CommandFailed } from "../exit-codes.ts";
import { type PinKeys, UNDER_WAY } from "./pin-keys.ts";

type PinCalls = Pick<AgentCalls, "setPin">;

export type Rotation = {
  secret: EditedSecret;
  keys: PinKeys;
  next: string;
  /** The agents that run, by their names. */
  running: ReadonlyMap<string, PinCalls>;
  /** The names of all agents, as of now. */
  members: () => Promise<readonly string[]>;
  progress: (line: string) => Promise<void>;
};

/** What has the new PIN now, and what keeps another. */
export type Rotated = { changed: string[]; left: string[] };

const pinOf = ({ secret, keys }: Pick<Rotation, "secret" | "keys">, agent: string): string => {
  const pin = keys.pinOf(secret.content, agent);
  if (pin === undefined) throw new CommandFailed("usage", "the Secret has lost its PIN meanwhile");
  return pin;
};

/** Whose token can't be asked now. It keeps its PIN, in a key of its own. */
const ABSENT: readonly (string | undefined)[] = ["TOKEN_UNAVAILABLE", "TIMEOUT"];

/**
 * Those whose token can be given the PIN. Each compares the PIN that the Secret says it has, which costs no try, but for the one whose
 * change was cut: nobody knows.
 */
const changeable = async (rotation: Rotation, agents: readonly string[]): Promise<string[]> => {
  const { secret, keys, running } = rotation;
  const found: string[] = [];
  for (const agent of agents) {
    const pin = pinOf(rotation, agent);
    const isKnown = agent !== keys.underWay(secret.content);
    const answer = isKnown ? await running.get(agent)?.setPin(pin, pin) : undefined;
    if (answer === undefined || answer.ok) found.push(agent);
    if (answer === undefined || answer.ok || ABSENT.includes(answer.code)) continue;
    throw new CommandFailed(
      answer.exit,
      `${agent} does not work with the PIN that the Secret has for it: ${answer.message} No PIN was changed now`,
    );
  }
  return found;
};

type Change = { kind: "changed" } | { kind: "refused" | "unclear"; answer: Refused };

/** What says for certain that the token has its former PIN. */
const CERTAIN: readonly (string | undefined)[] = ["PIN_REFUSED", "PIN_MISMATCH", "TOO_BUSY", "PIN_LOCKED"];

/** Changes the PIN of one token. `inDoubt`: a change of it was cut, so that it may have the new one. */
const changeOne = async (rotation: Rotation, agent: string, inDoubt: boolean): Promise<Change> => {
  const { running, next } = rotation;
  const calls = running.get(agent);
  if (calls === undefined) throw new Error(`${agent} does not run`);
  const answer = await calls.setPin(pinOf(rotation, agent), next);
  if (answer.ok) return { kind: "changed" };
  if (!inDoubt) return { kind: CERTAIN.includes(answer.code) ? "refused" : "unclear", answer };
  if (answer.code === "PIN_MISMATCH") {
    const compared = await calls.setPin(next, next);
    return compared.ok ? { kind: "changed" } : { kind: "unclear", answer: compared };
  }
  // The agent was started anew with the former PIN, which the token has refused: so the change was made.
  if (answer.code === "PIN_INCORRECT") return { kind: "changed" };
  return { kind: answer.code === "PIN_REFUSED" ? "refused" : "unclear", answer };
};

/** The end of a rotation that can't go on. The Secret is as the tokens are. */
const stopped = async (
  { secret, keys, next }: Rotation,
  agent: string,
  { kind, answer }: Exclude<Change, { kind: "changed" }>,
  members: readonly string[],
): Promise<CommandFailed> => {
  const done = members.filter((one) => keys.pinOf(secret.content, one) === next);
  if (kind === "refused") await secret.edit((content) => keys.settled(content, done.length > 0));
  if (done.length === 0 && kind === "refused") {
    return new CommandFailed(answer.exit, `${agent}: ${answer.message} No PIN was changed`);
  }
  const doubt = kind === "unclear" ? `, and it is not known which PIN that of ${agent} has` : "";
  return new CommandFailed(
    "partial",
    `${agent}: ${answer.message} ${done.length} of ${members.length} tokens have the new PIN${doubt}. Each agent has the PIN of its token as far as it is known; run it again, without a new PIN, to go on`,
  );
};

const absentInDoubt = (agent: string): CommandFailed =>
  new CommandFailed(
    "unreachable",
    `a change of the PIN of ${agent} was cut, so that its token has one PIN or the other, and the agent does not run. Bring it back and run this again. If its token is gone for good, remove the annotation ${UNDER_WAY} of the Secret`,
  );

/**
 * The rotation, from wherever one that was cut has left it.
 * @throws CommandFailed where a token does not take the PIN, or the Secret can't be written
 */
export const rotateMembers = async (rotation: Rotation): Promise<Rotated> => {
  const { secret, keys, next, running, members, progress } = rotation;
  const names = await members();
  // The one in doubt goes first: it alone holds up another rotation.
  const first = keys.underWay(secret.content);
  if (first !== undefined && !running.has(first)) throw absentInDoubt(first);
  const todo = await changeable(
    rotation,
    names.filter((agent) => running.has(agent) && pinOf(rotation, agent) !== next),
  );
  const changed: string[] = [];
  for (const agent of todo.sort((a, b) => Number(b === first) - Number(a === first))) {
    const inDoubt = keys.underWay(secret.content) === agent;
    await secret.edit((content) => keys.begun(content, agent, next));
    const change = await changeOne(rotation, agent, inDoubt);
    if (change.kind !== "changed") throw await stopped(rotation, agent, change, names);
    await recorded(rotation, agent);
    changed.push(agent);
    await progress(`${agent} has the new PIN`);
  }
  const all = await members();
  await secret.edit((content) => keys.shareNext(content, next, all));
  await secret.edit((content) => keys.tidied(content, all));
  return { changed, left: all.filter((agent) => pinOf(rotation, agent) !== next) };
};

const recorded = async ({ secret, keys, next }: Rotation, agent: string): Promise<void> => {
  try {
    await secret.edit((content) => keys.changed(content, agent, next));
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    throw new CommandFailed(
      "partial",
      `the token of ${agent} has the NEW PIN, and the Secret does not say so yet: run it again, before ${agent} is started anew. ${error.message}`,
    );
  }
};
