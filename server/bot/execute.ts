// SPDX-License-Identifier: Apache-2.0
// Executes one parsed command and returns the answer.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { TogglePatch, Toggles } from "../kubernetes/toggles.ts";
import type { Clock } from "../time.ts";
import type { Access, CommandSource } from "./access.ts";
import {
  failureText,
  helpText,
  listText,
  noChoiceText,
  statusOfAllText,
  statusText,
  unknownText,
} from "./answers.ts";
import { approversFor, lackOf } from "./approval.ts";
import { lackText } from "./approval-text.ts";
import { type Command, namesIn, type SwitchCommand } from "./command.ts";
import type { SentPatch } from "./journal.ts";
import { stateText, stoppedText } from "./state-text.ts";
import { getWithRetries, patchOf, resumeSwitch, type Switched, switchOnce } from "./switching.ts";
import { type Refusal, resolveToggle, type ToggleView, visibleTo, watchRefusal } from "./toggle-choice.ts";

/** How a command ended, for metrics and the log. */
type Outcome =
  | "switched"
  | "told"
  | "unknown"
  | "refused"
  | "no-toggle"
  | "which-toggle"
  | "unapproved"
  | "late"
  | "interrupted"
  | "unavailable"
  | "forbidden"
  | "no-crd"
  | "invalid"
  | "changed";

export type Decision = {
  readonly outcome: Outcome;
  readonly text: string;
  /** The Toggle that the text is about. */
  readonly toggle?: string;
  /** It was switched; this is how it was right after that. */
  readonly switched?: Toggle;
};

export type ExecuteContext = {
  readonly toggles: Pick<Toggles, "list" | "get" | "patch" | "state">;
  readonly access: Pick<Access, "mayUse">;
  readonly clock: Clock;
  readonly defaultName: string;
  /** TIME_ZONE */
  readonly timeZone: string;
};

/** Somebody whose command others may have approved. */
export type SwitchSource = CommandSource & { readonly approvedBy?: readonly string[] };

const viewOf = ({ toggles, access, clock, defaultName }: ExecuteContext): ToggleView => ({
  toggles: { list: () => toggles.list(), state: () => toggles.state(), get: getWithRetries(toggles, clock) },
  access,
  defaultName,
});

/** The Toggles that `source` may switch. */
export const namesFor = (context: ExecuteContext, source: CommandSource): string[] =>
  visibleTo(context, source).map(({ metadata }) => metadata.name);

const noToggle = (context: ExecuteContext, name: string | undefined, source: CommandSource): Decision => ({
  outcome: "no-toggle",
  text: noChoiceText({
    kind: "none",
    ...(name !== undefined && { name }),
    names: namesFor(context, source).filter((other) => other !== name),
  }),
});

const FAILURES: Readonly<Record<Refusal, Outcome>> = {
  unavailable: "unavailable",
  forbidden: "forbidden",
  "no-toggles": "no-crd",
  refused: "invalid",
  changed: "changed",
};

const failure = (why: Refusal, name?: string): Decision => ({
  outcome: FAILURES[why],
  text: failureText(why, name),
  ...(name !== undefined && { toggle: name }),
});

/** `stop web`, as an answer cites a command. */
const cited = (verb: string, toggle?: string): string =>
  `“${verb}${toggle === undefined ? "" : ` ${toggle}`}”`;

/** A command that was not run because it is too old. */
export const lateDecision = (verb: string, toggle?: string): Decision => ({
  outcome: "late",
  text: `${cited(verb, toggle)} was not run: I got to it too late. Send it again if you still want it.`,
});

const decisionOf = (
  verb: string,
  name: string,
  result: Switched,
  context: ExecuteContext,
  source: CommandSource,
): Decision => {
  const now = context.clock.now();
  switch (result.kind) {
    case "switched":
      return {
        outcome: "switched",
        text:
          verb === "stop" || verb === "extend"
            ? stoppedText(result.toggle, now)
            : stateText(result.toggle, now),
        toggle: name,
        switched: result.toggle,
      };
    case "interrupted":
      return {
        outcome: "interrupted",
        text: `${cited(verb, name)} was interrupted, and ${name} has changed since. ${stateText(result.toggle, now)} Send it again if you still want it.`,
        toggle: name,
      };
    case "idle":
      return { outcome: "told", text: stateText(result.toggle, now), toggle: name };
    case "late":
      return { ...lateDecision(verb, name), toggle: name };
    case "hidden":
      return noToggle(context, name, source);
    case "unapproved":
      return { outcome: "unapproved", text: lackText(name, result.lack), toggle: name };
    case "failed":
      if (result.why !== "not-found") return failure(result.why, name);
      return watchRefusal(context.toggles) === "no-toggles"
        ? failure("no-toggles")
        : noToggle(context, name, source);
  }
};

/**
 * Why a command for several Toggles switches none of them: one that is not there is a slip, and a line without any that is there
 * is no command. Undefined where nothing stands against it.
 */
export const whyNoSwitch = (
  context: ExecuteContext,
  command: SwitchCommand,
  source: CommandSource & { readonly shared?: boolean | undefined },
): Decision | undefined => {
  const { verb, toggles, all } = command;
  if (toggles === undefined && all !== true) return undefined;
  if (!context.toggles.state().ok) return all === true ? failure(watchRefusal(context.toggles)) : undefined;
  const names = namesFor(context, source);
  if (toggles === undefined) return names.length === 0 ? noToggle(context, undefined, source) : undefined;
  const missing = toggles.filter((name) => !names.includes(name));
  const [first] = missing;
  if (first === undefined) return undefined;
  if (missing.length === toggles.length) {
    const said = [verb, ...toggles].join(" ");
    return { outcome: "unknown", text: unknownText({ said, brief: source.shared === true }, names) };
  }
  const { outcome, text } = noToggle(context, first, source);
  return { outcome, text: `${text} Nothing was switched.` };
};

/** Who may switch a Toggle, and with whose approval. */
const gateFor = ({ access }: ExecuteContext, source: SwitchSource) => ({
  mayUse: (toggle: Toggle) => access.mayUse(toggle, source),
  lacks: (toggle: Toggle) => lackOf(toggle, source, source.approvedBy ?? [], access),
});

/** What `command`, which is for one Toggle, changes of `toggle`; undefined where that is nothing. */
const patchFor = (
  { access, clock, timeZone }: ExecuteContext,
  command: SwitchCommand,
  source: SwitchSource,
): ((toggle: Toggle) => TogglePatch | undefined) => {
  const { sender, room, approvedBy = [] } = source;
  const asked = { sender, room, now: clock.now(), timeZone };
  return (toggle) =>
    patchOf(command, toggle, { ...asked, approvedBy: approversFor(toggle, source, approvedBy, access) });
};

/** The Toggles that `command` would change as they are now, as far as they are found. */
export const changedBy = async (
  context: ExecuteContext,
  command: SwitchCommand,
  source: CommandSource,
): Promise<Toggle[]> => {
  const view = viewOf(context);
  const names = namesIn(command);
  const each = await Promise.all(
    (names.length === 0 ? [undefined] : names).map((name) => resolveToggle(view, name, source)),
  );
  const patch = patchFor(context, command, source);
  return each.flatMap((found) =>
    found.kind === "one" && patch(found.toggle) !== undefined ? [found.toggle] : [],
  );
};

/** start, stop or restart; `onBegin` is called before each patch. */
export const runSwitch = async (
  context: ExecuteContext,
  command: SwitchCommand,
  source: SwitchSource,
  onBegin: (begun: SentPatch) => void,
): Promise<Decision> => {
  const chosen = await resolveToggle(viewOf(context), command.toggle, source);
  if (chosen.kind === "failed") return failure(chosen.why);
  if (chosen.kind !== "one") {
    return {
      outcome: chosen.kind === "which" ? "which-toggle" : "no-toggle",
      text: noChoiceText(chosen),
    };
  }
  const gate = gateFor(context, source);
  const patch = patchFor(context, command, source);
  const result = await switchOnce({ ...context, ...gate, onBegin }, chosen.toggle, patch);
  return decisionOf(command.verb, chosen.toggle.metadata.name, result, context, source);
};

/** Ends a start or stop that a kill cut off. */
export const finishSwitch = async (
  context: ExecuteContext,
  verb: string,
  begun: SentPatch,
  source: SwitchSource,
  isLate: () => boolean,
): Promise<Decision> => {
  const result = await resumeSwitch({ ...context, ...gateFor(context, source) }, begun, isLate);
  return decisionOf(verb, begun.toggle, result, context, source);
};

const runStatus = async (
  context: ExecuteContext,
  name: string | undefined,
  source: CommandSource,
): Promise<Decision> => {
  const now = () => context.clock.now();
  if (name === undefined) {
    const visible = visibleTo(context, source);
    const [only] = visible;
    if (!context.toggles.state().ok) return failure(watchRefusal(context.toggles));
    return {
      outcome: "told",
      text: statusOfAllText(visible, now()),
      ...(visible.length === 1 && only && { toggle: only.metadata.name }),
    };
  }
  const chosen = await resolveToggle(viewOf(context), name, source);
  if (chosen.kind === "one") {
    return { outcome: "told", text: statusText(chosen.toggle, now()), toggle: chosen.toggle.metadata.name };
  }
  if (chosen.kind === "failed") return failure(chosen.why);
  return { outcome: "no-toggle", text: noChoiceText(chosen) };
};

const runStatuses = async (
  context: ExecuteContext,
  names: readonly string[],
  source: CommandSource,
): Promise<Decision> => {
  const each = await Promise.all(names.map((name) => runStatus(context, name, source)));
  return { outcome: "told", text: each.map(({ text }) => text).join("\n") };
};

/** Everything that changes nothing. */
export const runQuery = async (
  context: ExecuteContext,
  command: Exclude<Command, SwitchCommand>,
  source: CommandSource,
): Promise<Decision> => {
  switch (command.verb) {
    case "status":
      return command.toggles === undefined
        ? runStatus(context, command.toggle, source)
        : runStatuses(context, command.toggles, source);
    case "list":
      return context.toggles.state().ok
        ? {
            outcome: "told",
            text: listText(visibleTo(context, source), context.defaultName, context.clock.now()),
          }
        : failure(watchRefusal(context.toggles));
    case "help":
      return { outcome: "told", text: helpText(namesFor(context, source)) };
    case "unknown":
      return { outcome: "unknown", text: unknownText(command, namesFor(context, source)) };
    case "refused":
      return { outcome: "refused", text: command.text };
  }
};
