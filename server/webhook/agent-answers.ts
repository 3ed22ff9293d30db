// SPDX-License-Identifier: Apache-2.0
// Parses what an agent answers to a read: only a body that is right for what was asked is data, only its own word is absence.
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import { codesOf, type ErrorCode, errors } from "../../hooks/error-codes.ts";
import { isBase64 } from "../../hooks/formats.ts";
import type { Reading } from "../../hooks/hsmsecret/index.ts";
import type { WireAnswer } from "../agent-api/client.ts";
import { SecretBody } from "../agent-api/schema.ts";
import { retryAfterSeconds } from "../http/connection-fault.ts";
import { ErrorBody } from "../http/error-body.ts";
import { compileSchema } from "../http/validation.ts";
import { jsonOf } from "../json.ts";

/** What was asked of which agent. `ifNoneMatch` is a checksum; `who` names the agent in messages, where that is another name. */
export type AgentReadRequest = { agent: string; path: string; ifNoneMatch?: string; who?: string };

const secretBody = compileSchema(SecretBody);
const errorBody = compileSchema(ErrorBody);

/** The codes with which an agent says that its token can't be read. */
export const TOKEN_FAULTS = codesOf("token-unreadable", "path-unreadable");

/** Retry-After of more seconds than this is not believed. */
const MAX_RETRY_AFTER_SECONDS = 3600;

/**
 * The reading that an answer comes to. Only a body whose checksum is right for the asked path is data, and only the
 * agent's own SECRET_NOT_FOUND is absence; a proxy's 404 or a cut body is "unavailable". No text of the agent is passed on.
 */
export const readingOf = (asked: AgentReadRequest, answer: WireAnswer): Reading => {
  switch (answer.status) {
    case 200:
      return foundOf(asked, answer);
    case 304:
      return asked.ifNoneMatch !== undefined && etagFits(asked.ifNoneMatch, answer.headers.etag)
        ? { outcome: "unchanged", device: asked.agent }
        : refused(asked, "answered 304 to something else than was asked");
    case 401:
    case 403:
      return refused(asked, `refused the webhook's credentials (HTTP ${answer.status})`);
    case 404:
      return errorOf(answer)?.code === "SECRET_NOT_FOUND"
        ? { outcome: "absent", device: asked.agent }
        : refused(asked, "answered 404 without SECRET_NOT_FOUND: is its address right?");
    default:
      return failureOf(asked, answer);
  }
};

const foundOf = (asked: AgentReadRequest, answer: WireAnswer): Reading => {
  const body = jsonOf(answer.body);
  if (!secretBody.Check(body)) return refused(asked, "answered something that is not a secret");
  // No secret is without keys: it would empty the Secret, whatever the deletion policy says.
  if (Object.keys(body.data).length === 0) return refused(asked, "answered a secret without keys");
  if (body.path !== asked.path) return refused(asked, "answered for another path");
  if (!Object.values(body.data).every(isBase64)) return refused(asked, "answered a value that is not base64");
  if (checksumOfBase64(body.data) !== body.checksum) {
    return refused(asked, "answered data that does not fit its checksum");
  }
  if (!etagFits(body.checksum, answer.headers.etag)) {
    return refused(asked, "answered an ETag that does not fit the data");
  }
  const { data, checksum, version, epoch, history, metadata } = body;
  const source = metadata?.source;
  return {
    outcome: "found",
    data,
    checksum,
    version,
    device: asked.agent,
    ...(epoch !== undefined && { epoch }),
    ...(history !== undefined && { history }),
    ...(source !== undefined && { source }),
  };
};

const failureOf = (asked: AgentReadRequest, answer: WireAnswer): Reading => {
  const known = answeredCode(answer, TOKEN_FAULTS);
  const advice = adviceOf(answer);
  if (known !== undefined) {
    return {
      outcome: "unavailable",
      code: known,
      message: `agent ${asked.who ?? asked.agent}: ${errors[known].text}`,
      ...advice,
    };
  }
  return { ...refused(asked, `answered HTTP ${answer.status}`), ...advice };
};

const refused = (asked: AgentReadRequest, what: string): Extract<Reading, { outcome: "unavailable" }> => ({
  outcome: "unavailable",
  code: "AGENT_REFUSED",
  message: `agent ${asked.who ?? asked.agent} ${what}.`,
});

/** An ETag may be left out by a proxy; one that is there must be the strong or weak tag of the checksum. */
const etagFits = (checksum: string, etag: string | string[] | undefined): boolean =>
  etag === undefined || etag === `"${checksum}"` || etag === `W/"${checksum}"`;

/** The error that the agent answered, if it is one. */
export const errorOf = (answer: WireAnswer): ErrorBody | undefined => {
  const body = jsonOf(answer.body);
  return errorBody.Check(body) ? body : undefined;
};

/** That of `codes` which the agent answered, with the status that it has. */
export const answeredCode = <C extends ErrorCode>(answer: WireAnswer, codes: readonly C[]): C | undefined => {
  const code = errorOf(answer)?.code;
  return codes.find((one) => one === code && errors[one].status === answer.status);
};

/** When the agent says that trying again is of use, where that can be believed. */
export const adviceOf = ({ headers }: WireAnswer): { retryAfterSeconds?: number } => {
  const seconds = retryAfterSeconds(headers["retry-after"]);
  return seconds !== undefined && seconds <= MAX_RETRY_AFTER_SECONDS ? { retryAfterSeconds: seconds } : {};
};
