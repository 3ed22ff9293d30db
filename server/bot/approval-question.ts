// SPDX-License-Identifier: Apache-2.0
// Decides whether a command needs the approval of others before it runs, and asks the room for that.
import { randomInt } from "node:crypto";
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { Clock } from "../time.ts";
import type { Access } from "./access.ts";
import { type ApprovalLack, approvalsNeeded, approversFor, lackOf } from "./approval.ts";
import {
  CODE_LENGTH,
  CODE_LETTERS,
  DIRECT_TEXT,
  isTooLongToAsk,
  lackText,
  questionText,
  TOO_LONG_TEXT,
  TOO_MANY_TEXT,
  tooFewText,
} from "./approval-text.ts";
import { namesIn, type SwitchCommand } from "./command.ts";
import { nextTimeOfDay } from "./duration.ts";
import type { Decision } from "./execute.ts";
import type { Entry, Journal, Pending } from "./journal.ts";
import type { Questions } from "./question.ts";

/** How long approvals are waited for. */
const APPROVE_MS = 600_000;
/** Questions of a room that wait: who could have any number asked could have a code come again. */
const MOST_WAITING = 20;

export type ApprovalQuestionOptions = {
  readonly access: Pick<Access, "mayUse" | "usersOf">;
  readonly clock: Pick<Clock, "now">;
  readonly journal: Pick<Journal, "step">;
  readonly questions: Pick<Questions, "ask">;
  /** TIME_ZONE */
  readonly timeZone: string;
  /** The codes of the questions that wait in a room. */
  codesIn(room: string): readonly string[];
};

type Lacking = { readonly toggle: Toggle; readonly lack: ApprovalLack };

const refused = (text: string): Decision => ({ outcome: "unapproved", text });

/**
 * Asks for the approval of `command` where one of `toggles`, those that it would change, needs it. Undefined where it can run;
 * a decision where nobody is asked, because it can't be approved.
 */
export const askForApproval = async (
  options: ApprovalQuestionOptions,
  { id, entry }: Pending,
  command: SwitchCommand,
  toggles: readonly Toggle[],
): Promise<Decision | "asked" | undefined> => {
  const { access, clock, questions } = options;
  const lacking = toggles.flatMap((toggle): Lacking[] => {
    const lack = lackOf(toggle, entry, [], access);
    return lack === undefined ? [] : [{ toggle, lack }];
  });
  if (lacking.length === 0) return undefined;
  const why = whyNotAsked(options, entry, lacking, toggles.length > 1);
  if (why !== undefined) return refused(why);
  const whole = withName(command, toggles);
  if (isTooLongToAsk(whole)) return refused(TOO_LONG_TEXT);
  const need = Math.max(...toggles.map((toggle) => approvalsNeeded(toggle) ?? 0));
  const endsAt = endOf(options, command);
  const view = { command: whole, sender: entry.sender, encrypted: entry.encrypted === true, need };
  const code = keptCode(options, id, entry);
  const leftMs = endsAt(clock.now()) - clock.now();
  const text = questionText({ ...view, code, has: 0, users: [], leftMs });
  const approval = { code, need, approvers: [], edits: 0 };
  await questions.ask(id, entry, text, { command: whole, approval }, endsAt);
  return "asked";
};

const whyNotAsked = (
  { access, codesIn }: ApprovalQuestionOptions,
  entry: Entry,
  lacking: readonly Lacking[],
  several: boolean,
): string | undefined => {
  for (const { toggle, lack } of lacking) {
    const { name } = toggle.metadata;
    if (lack.kind === "unreadable") {
      return `${lackText(name, lack)}${several ? " Nothing was switched." : ""}`;
    }
    if (entry.shared !== true) return DIRECT_TEXT;
    const there = approversFor(toggle, entry, access.usersOf(toggle, entry.room), access).length;
    if (there < lack.need) return tooFewText(name, lack.need, there);
  }
  return codesIn(entry.room).length >= MOST_WAITING ? TOO_MANY_TEXT : undefined;
};

/** `command` with the name of the Toggle that is meant, where it names none: what is approved does not change then. */
const withName = (command: SwitchCommand, [only]: readonly Toggle[]): SwitchCommand =>
  namesIn(command).length > 0 || only === undefined ? command : { ...command, toggle: only.metadata.name };

/** The code of the question about `id`, written down before it is asked: a repeat after a restart shows the first text. */
const keptCode = (
  { journal, codesIn }: ApprovalQuestionOptions,
  id: string,
  { step, room }: Entry,
): string => {
  if (step.state !== "accepted") throw new Error(`what is asked about was ${step.state} before`);
  const code = step.code ?? newCode(codesIn(room));
  journal.step(id, { ...step, code });
  return code;
};

const newCode = (taken: readonly string[]): string => {
  for (;;) {
    const letters = Array.from({ length: CODE_LENGTH }, () => randomInt(CODE_LETTERS.length));
    const code = letters.map((at) => CODE_LETTERS.charAt(at)).join("");
    if (!taken.includes(code)) return code;
  }
};

/** A time of day in the command would mean the next day's once it is past, and a time that is over is extended no more. */
const endOf = (
  { clock, timeZone }: ApprovalQuestionOptions,
  command: SwitchCommand,
): ((now: number) => number) => {
  const time = "time" in command ? command.time : undefined;
  const over = command.verb === "extend" ? Date.parse(command.from) : Number.POSITIVE_INFINITY;
  const latest = time === undefined ? over : nextTimeOfDay(time, timeZone, clock.now());
  return (now) => Math.min(now + APPROVE_MS, latest);
};
