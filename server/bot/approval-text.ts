// SPDX-License-Identifier: Apache-2.0
// Writes the texts about approvals: the question, how far it is, how it ends, and what to write; and reads an approving line.
import { shorten } from "../display-text.ts";
import { APPROVALS_ANNOTATION, type ApprovalLack, MOST_APPROVALS } from "./approval.ts";
import { namesIn, type SwitchCommand } from "./command.ts";
import { durationText } from "./duration.ts";

const MAX_REASON_SHOWN = 200;
const MAX_ANNOTATION_SHOWN = 40;
const MINUTE_MS = 60_000;

/** Letters and digits that look like no others, and spell no words. */
export const CODE_LETTERS = "23456789bcdfghjkmnpqrstvwxyz";
export const CODE_LENGTH = 5;
const APPROVING = new RegExp(
  `^(?:(approved?)|yes|ok|okay|\u{1f44d}[\u{1f3fb}-\u{1f3ff}]?)(?:[\\s:]+([${CODE_LETTERS}]{${CODE_LENGTH}}))?[.!]*$`,
  "iu",
);

/** What an approving line says. Without a `code` it is certain to be one only where the word is `approve`. */
export type ApprovingLine = { readonly code?: string; readonly isExplicit: boolean };

/** Undefined of a line that approves nothing. */
export const approvingLine = (text: string): ApprovingLine | undefined => {
  const found = APPROVING.exec(text.trim());
  if (found === null) return undefined;
  const [, word, code] = found;
  return {
    isExplicit: word !== undefined || code !== undefined,
    ...(code !== undefined && { code: code.toLowerCase() }),
  };
};

const timeText = (command: SwitchCommand): string => {
  if (command.verb === "restart") return "";
  if (command.verb === "extend") return ` by ${durationText(command.seconds)}`;
  const { verb, seconds, time } = command;
  if (time !== undefined) return verb === "start" ? ` until ${time}` : ` at ${time}`;
  if (seconds === undefined) return "";
  return ` ${verb === "start" ? "for" : "in"} ${durationText(seconds)}`;
};

/** `stop web, api in 2h because of the sale`: all that is approved with it. */
const commandText = (command: SwitchCommand): string => {
  const reason = "reason" in command ? command.reason : undefined;
  const why = reason === undefined ? "" : ` because ${shorten(reason, MAX_REASON_SHOWN)}`;
  return `${command.verb} ${namesIn(command).join(", ")}${timeText(command)}${why}`;
};

/** What a message has room for, beside how to approve it and who has. */
const MOST_COMMAND = 8_000;

/** Whether a question could not show all that is approved with it. */
export const isTooLongToAsk = (command: SwitchCommand): boolean => commandText(command).length > MOST_COMMAND;

const others = (count: number): string => (count === 1 ? "1 other user" : `${count} other users`);

const HOW = {
  code: (code: string, within: string) =>
    `To approve, write here within ${within}: approve ${code}\nA reaction is not encrypted, so it can't count.`,
  reaction: (code: string, within: string) =>
    `To approve, react with 👍 to this within ${within}, or write here: approve ${code}`,
} as const;

/** A question, as it is now. */
export type QuestionView = {
  readonly command: SwitchCommand;
  /** Who asks. */
  readonly sender: string;
  /** Whether a reaction can't count, since it would be the homeserver's word in an encrypted room. */
  readonly encrypted: boolean;
  readonly code: string;
  readonly need: number;
  /** How many of the approvals that are needed are there. */
  readonly has: number;
  readonly users: readonly string[];
  readonly leftMs: number;
};

/** The question, and who has approved so far. */
export const questionText = (view: QuestionView): string => {
  const { command, sender, encrypted, code, need, has, users, leftMs } = view;
  const minutes = Math.max(1, Math.ceil(leftMs / MINUTE_MS));
  const within = minutes === 1 ? "a minute" : `${minutes} minutes`;
  const asked = `${sender} asks for: ${commandText(command)}\nThis waits for ${others(need)} who may do it too. `;
  const how = HOW[encrypted ? "code" : "reaction"](code, within);
  return `${asked}${how}${users.length === 0 ? "" : `\n${has} of ${need}: ${users.join(", ")}`}`;
};

export const approvedText = (command: SwitchCommand, users: readonly string[]): string =>
  `${commandText(command)}: approved by ${users.join(", ")}.`;

/** The last word on a question that was not answered by enough. */
export const unapprovedText = (
  command: SwitchCommand,
  { has, need }: Pick<QuestionView, "has" | "need">,
): string => `${commandText(command)} was not approved in time (${has} of ${need}): nothing was switched.`;

export const takenBackText = (command: SwitchCommand): string =>
  `${commandText(command)} was taken back: nothing was switched.`;

/** Why a Toggle is not switched. */
export const lackText = (name: string, lack: ApprovalLack): string =>
  lack.kind === "unreadable"
    ? `The annotation ${APPROVALS_ANNOTATION} of ${name} is “${shorten(lack.text, MAX_ANNOTATION_SHOWN)}”: it has to be a whole number from 1 to ${MOST_APPROVALS}. Until it is, ${name} is not switched from here.`
    : `${name} was not switched: by now it needs the approval of ${others(lack.need)}, and has ${lack.has}. Send it again.`;

/** Where those who may approve are too few to ask. */
export const tooFewText = (name: string, need: number, there: number): string =>
  `${name} needs the approval of ${others(need)} who may switch it here, and there ${there === 1 ? "is" : "are"} ${there}. Nothing was switched.`;

export const DIRECT_TEXT =
  "It needs the approval of others, and nobody else is in this room. Ask for it in a room where they are. Nothing was switched.";

export const TOO_LONG_TEXT =
  "It needs the approval of others, and is for more Toggles than a question can name. Send it for some of them at a time. Nothing was switched.";

export const TOO_MANY_TEXT =
  "Too many commands wait here for approval. Send it again when some of them are done. Nothing was switched.";

/** Answers to somebody whose approval does not count. */
export const NO_APPROVAL = {
  own: "Your own approval doesn't count: somebody else who may do it has to approve.",
  none: "Nothing waits here for that approval any more.",
  unproven:
    "Your approval doesn't count: I can't be certain that you wrote it. Verify this device in your client, so that your identity has signed it, and write it again. If your identity is not the first that I saw, my operator has to accept it with TRUSTED_IDENTITIES.",
  code: (command: SwitchCommand, code: string): string =>
    `To approve “${commandText(command)}”, write: approve ${code}`,
  reaction: (user: string, command: SwitchCommand, code: string): string =>
    `${user}: a reaction is not encrypted, so I can't be certain that it is yours. To approve “${commandText(command)}”, write: approve ${code}`,
} as const;
