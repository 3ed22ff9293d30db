// SPDX-License-Identifier: Apache-2.0
// Defines the requests to the agent and parses its responses: a checked body, or a tagged error. Of the agent's error only the
// message is shown.
import type { Static, TSchema } from "@sinclair/typebox";
import type { AgentRequest } from "../../agent-api/client.ts";
import { ErrorBody } from "../../http/error-body.ts";
import { compileSchema } from "../../http/validation.ts";
import type { SchemaCheck } from "../../schema-check.ts";
import { CommandFailed, type ExitName, exitNameOf } from "../exit-codes.ts";
import { oneLine } from "../io.ts";

/** `code` is the agent's, where the answer was the agent's own. */
export type Refused = {
  ok: false;
  status: number;
  code: string | undefined;
  message: string;
  exit: ExitName;
};
export type Answer<T> = { ok: true; status: number; body: T } | Refused;

/** `timeoutMs`: in place of what --timeout says. */
type Request = AgentRequest & { timeoutMs?: number };

export type AgentClient = {
  send<T extends TSchema>(request: Request, schema: SchemaCheck<T>): Promise<Answer<Static<T>>>;
  /** The same for an answer without a body (204). */
  sendForNothing(request: Request): Promise<Answer<undefined>>;
  /** The status and text of an answer of any kind. @throws CommandFailed where there is none. */
  exchange(request: Request): Promise<{ status: number; text: string }>;
  close(): Promise<void>;
};

const errorBody = compileSchema(ErrorBody);

/** What an error answer says. `callee`: who gave it. */
export const refusal = (status: number, body: unknown, callee = "the agent"): Refused => {
  const known = errorBody.Check(body) ? body : undefined;
  const details = (known?.details ?? []).map(({ field, message }) => ` ${field}: ${message}.`).join("");
  const message =
    known === undefined
      ? `${callee} answered HTTP ${status} without saying why; is its address right?`
      : `${known.message}${details} (${known.code})`;
  return {
    ok: false,
    status,
    code: known?.code,
    message: oneLine(message),
    exit: exitNameOf(status, known?.code),
  };
};

/** The body, or the end of the command with the agent's reason. */
export const bodyOf = <T>(answer: Answer<T>, what: string): T => {
  if (answer.ok) return answer.body;
  throw new CommandFailed(answer.exit, `${what}: ${answer.message}${advice(answer)}`);
};

const advice = ({ status, code }: Refused): string => {
  if (status === 401) return " Is the token the agent's, and not rotated meanwhile?";
  if (code === "FORBIDDEN") {
    return " Writing needs the agent's write token, and an agent that takes one (WRITE_TOKEN_FILE).";
  }
  return "";
};
