// SPDX-License-Identifier: Apache-2.0
// Turns an agent's response to a write or removal into an outcome; only its own word about the request counts as done.
import { codesOf, type ErrorCode, errors } from "../../hooks/error-codes.ts";
import type { RemovalOutcome, WriteOutcome } from "../../hooks/hsmsecret/index.ts";
import type { WireAnswer } from "../agent-api/client.ts";
import { DeleteBody, WriteBody } from "../agent-api/schema.ts";
import { compileSchema } from "../http/validation.ts";
import { jsonOf } from "../json.ts";
import { adviceOf, answeredCode, errorOf, TOKEN_FAULTS } from "./agent-answer.ts";

/** What was asked of which agent; `checksum` is what the path must have afterwards. */
export type AgentWriteRequest = { agent: string; path: string; checksum: string };

type Failure = Extract<RemovalOutcome, { outcome: "refused" | "unavailable" }>;

const writeBody = compileSchema(WriteBody);
const deleteBody = compileSchema(DeleteBody);

/** Codes that stay as they are until somebody changes something. */
const REFUSALS = codesOf("token-refuses", "agent-refuses");

/** Codes that pass. */
const TROUBLES = [...TOKEN_FAULTS, ...codesOf("passes")];

/** What the answer to PUT or PATCH comes to. */
export const writeOutcomeOf = (asked: AgentWriteRequest, answer: WireAnswer): WriteOutcome => {
  if (answer.status === 200 || answer.status === 201) {
    const body = jsonOf(answer.body);
    if (!writeBody.Check(body)) return odd(asked, "answered something that is not about a write");
    if (body.path !== asked.path || body.checksum !== asked.checksum) {
      return odd(asked, "answered about something else than was written");
    }
    return { outcome: "written" };
  }
  const code = errorOf(answer)?.code;
  // What a patch found gone is no longer what was read either.
  const changed = answer.status === 412 ? "PRECONDITION_FAILED" : "SECRET_NOT_FOUND";
  if ((answer.status === 412 || answer.status === 404) && code === changed) {
    return { outcome: "precondition" };
  }
  return failureOf(asked, answer);
};

/** What the answer to DELETE comes to: that there was nothing is as good. */
export const removalOutcomeOf = (
  asked: Pick<AgentWriteRequest, "agent" | "path">,
  answer: WireAnswer,
): RemovalOutcome => {
  if (answer.status === 200) {
    const body = jsonOf(answer.body);
    return deleteBody.Check(body) && body.path === asked.path
      ? { outcome: "removed" }
      : odd(asked, "answered something that is not about the removal");
  }
  if (answer.status === 404 && errorOf(answer)?.code === "SECRET_NOT_FOUND") return { outcome: "removed" };
  return failureOf(asked, answer);
};

const failureOf = (asked: Pick<AgentWriteRequest, "agent">, answer: WireAnswer): Failure => {
  if (answer.status === 401 || answer.status === 403) {
    return {
      outcome: "refused",
      code: "FORBIDDEN",
      message: `agent ${asked.agent} refused the webhook's write token (HTTP ${answer.status}). Give the agent a WRITE_TOKEN_FILE that has the token of the webhook's AGENT_WRITE_TOKEN_FILE.`,
    };
  }
  const refusal = answeredCode(answer, REFUSALS);
  if (refusal !== undefined) return { outcome: "refused", code: refusal, message: said(asked, refusal) };
  const advice = adviceOf(answer);
  const trouble = answeredCode(answer, TROUBLES);
  if (trouble === undefined) return { ...odd(asked, `answered HTTP ${answer.status}`), ...advice };
  return { outcome: "unavailable", code: trouble, message: said(asked, trouble), ...advice };
};

/** The text of our own table: no text of the agent is passed on. */
const said = ({ agent }: Pick<AgentWriteRequest, "agent">, code: ErrorCode): string =>
  `agent ${agent}: ${errors[code].text}`;

const odd = ({ agent }: Pick<AgentWriteRequest, "agent">, what: string): Failure => ({
  outcome: "unavailable",
  code: "AGENT_REFUSED",
  message: `agent ${agent} ${what}.`,
});
