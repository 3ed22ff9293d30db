// SPDX-License-Identifier: Apache-2.0
// Classifies failures of the API server by HTTP status and the error codes of the connection.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { connectionFault, retryAfterSeconds } from "../http/connection-fault.ts";

export type ApiFailure = {
  readonly ok: false;
  readonly kind: "not-found" | "forbidden" | "conflict" | "gone" | "refused" | "unavailable";
  /** For the log: completes "the API server …". No text of the server's. */
  readonly what: string;
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** What the server asked to wait for. */
  readonly retryAfterMs?: number;
  /** A kept connection was closed meanwhile: it is not known whether the request was read. */
  readonly stale?: true;
};

/** metav1.Status. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
const Status = Type.Object({
  kind: Type.Literal("Status"),
  code: Type.Optional(Type.Integer()),
  reason: Type.Optional(Type.String()),
});

/** One word, such as "Forbidden" or "Expired"; anything else is not shown. */
const REASON = /^[A-Za-z]{1,64}$/;

/** A longer Retry-After is not waited for: who wrote it may be no API server. */
const MAX_RETRY_AFTER_S = 300;

const kindOf = (status: number): ApiFailure["kind"] => {
  if (status === 401 || status === 403) return "forbidden";
  if (status === 404) return "not-found";
  if (status === 409) return "conflict";
  if (status === 410) return "gone";
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) return "refused";
  return "unavailable";
};

/**
 * The failure that an answer of `status` is.
 * @param body what could be parsed of its body
 * @param retryAfter the header: Kubernetes writes seconds
 */
export const failureOf = (status: number, body: unknown, retryAfter?: unknown): ApiFailure => {
  const reason = Value.Check(Status, body) && REASON.test(body.reason ?? "") ? ` (${body.reason})` : "";
  const seconds = retryAfterSeconds(retryAfter);
  return {
    ok: false,
    kind: kindOf(status),
    what: `answered HTTP ${status}${reason}`,
    status,
    ...(seconds !== undefined && { retryAfterMs: Math.min(seconds, MAX_RETRY_AFTER_S) * 1000 }),
  };
};

/** The failure that an ERROR event of a watch is: its object is a Status. */
export const failureOfEvent = (object: unknown): ApiFailure => {
  const status: Static<typeof Status> | undefined = Value.Check(Status, object) ? object : undefined;
  const failure = failureOf(status?.code ?? 500, object);
  return { ...failure, what: `ended the watch: ${failure.what}` };
};

/** No answer, or none that could be understood. */
export const unavailable = (what: string): ApiFailure => ({
  ok: false,
  kind: "unavailable",
  what,
  status: 0,
});

/** A request could not be sent. The message completes "the API server …" and holds no secret. */
export class RequestImpossible extends Error {}

/** The failure behind what the connection threw. */
export const failureOfConnection = (error: unknown): ApiFailure => {
  if (error instanceof RequestImpossible) return unavailable(error.message);
  const { what, stale } = connectionFault(error);
  return { ...unavailable(what), ...(stale && { stale }) };
};
