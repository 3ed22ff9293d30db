// SPDX-License-Identifier: Apache-2.0
// Defines the exit codes of `kubectl hsm`, and how a command ends early. docs/kubectl-hsm.md is checked against them.
import type { ErrorCode } from "../../hooks/error-codes.ts";
import { ownProperty } from "../../hooks/formats.ts";

/** Name → code and the sentence of the help. */
export const EXIT_CODES = {
  done: { code: 0, text: "done; with --diff --dry-run: no difference" },
  different: { code: 1, text: "with --diff --dry-run: there are differences. Nothing else uses it" },
  usage: { code: 2, text: "the command line, a file or another input is wrong; nothing was sent" },
  unreachable: {
    code: 3,
    text: "the agent, its token or the cluster can't be reached or is not ready, or kubectl failed",
  },
  forbidden: { code: 4, text: "the agent refused the credentials, or the current PIN is not the right one" },
  conflict: { code: 5, text: "it exists already, or was changed in between; nothing was changed" },
  partial: { code: 6, text: "some of it failed: the summary or the message says what" },
  absent: { code: 7, text: "no such secret, key or HSMSecret" },
  refused: { code: 8, text: "the agent or the token does not take it, as it is or at all" },
  declined: { code: 9, text: "the question was answered with no; nothing was changed" },
  bug: { code: 70, text: "a fault of kubectl hsm itself" },
  interrupted: { code: 130, text: "ended by Ctrl-C (or 128 and the number of another signal)" },
} as const satisfies Record<string, { code: number; text: string }>;

export type ExitName = keyof typeof EXIT_CODES;

/** Ends the command, from wherever in it this is found out. The message holds no value of a secret. */
export class CommandFailed extends Error {
  readonly exit: ExitName;
  constructor(exit: ExitName, message: string) {
    super(message);
    this.name = "CommandFailed";
    this.exit = exit;
  }
}

/** Ends the command for what is wrong with how it was called. The type is written out so that the compiler knows it ends there. */
export const usageError: (message: string) => never = (message) => {
  throw new CommandFailed("usage", message);
};

/** The codes of the agent that mean something else than their status does. */
const BY_CODE: Readonly<Record<string, ExitName>> = {
  SECRET_NOT_FOUND: "absent",
  KEY_NOT_FOUND: "absent",
  PRECONDITION_FAILED: "conflict",
  PATH_AMBIGUOUS: "conflict",
  WRITE_UNCERTAIN: "unreachable",
} satisfies Partial<Record<ErrorCode, ExitName>>;

/** The exit that an error answer of the agent comes to. */
export const exitNameOf = (status: number, code: string | undefined): ExitName => {
  const named = code === undefined ? undefined : ownProperty(BY_CODE, code);
  if (named !== undefined) return named;
  if (status === 401 || status === 403) return "forbidden";
  if (status === 409 || status === 412) return "conflict";
  if (status === 408 || status === 429 || (status >= 500 && status !== 507)) return "unreachable";
  return "refused";
};
