// SPDX-License-Identifier: Apache-2.0
// Sends one request to an agent or to discovery (docs/agent-api.md, docs/discovery.md) and returns the response, or why there is none.
import { connectionFault } from "../http/connection-fault.ts";
import type { HttpPool } from "../http/http-pool.ts";

export type AgentRequest = {
  method: "GET" | "PUT" | "PATCH" | "DELETE" | "POST";
  /** From `/v1` on; secretRoute has that of a secret. */
  path: string;
  /** Sent as JSON. */
  body?: unknown;
  /** A checksum, or `*` for any secret at all. */
  ifMatch?: string;
  /** A checksum: answered with 304 where the token holds the same; or `*`: the secret must not be there. */
  ifNoneMatch?: string;
  /** Asks for a view of the token that is loaded after the request. */
  fresh?: boolean;
  /** Passed on, so that both logs share it. */
  requestId?: string;
};

/** An answer as it came off the wire, of any status. */
export type WireAnswer = {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
};

/** No answer. `late`: the signal was aborted; `no-room`: by `roomFor`; `what` completes "The agent …". */
export type NoAnswer = { kind: "late" | "no-room" | "refused" | "unreachable"; what: string };

export type CallOptions = {
  signal: AbortSignal;
  /** `scheme://host:port`, for a pool that is not of one server. */
  origin?: string;
  /** Whether it may be sent once more where a kept connection turned out to be closed; by default it may. */
  repeatable?: boolean;
  /**
   * Waits for room in memory for an answer of so many bytes, before any of it is read; undefined: the agent does not say how
   * many. False: there is none in time.
   */
  roomFor?: (bytes: number | undefined, signal: AbortSignal) => Promise<boolean>;
};

/** The path of a secret's route, or of one of its keys; slashes stay as they are. */
export const secretRoute = (path: string, key?: string): string =>
  `/v1/secrets/${path.split("/").map(encodeURIComponent).join("/")}${key === undefined ? "" : `?key=${encodeURIComponent(key)}`}`;

/** RFC 9110, section 8.8.3: a checksum as a strong entity tag. */
const entityTag = (checksum: string): string => (checksum === "*" ? "*" : `"${checksum}"`);

const headersOf = (request: AgentRequest, authorization: string | undefined): Record<string, string> => ({
  accept: "application/json",
  ...(authorization !== undefined && { authorization }),
  ...(request.requestId !== undefined && { "x-request-id": request.requestId }),
  ...(request.ifMatch !== undefined && { "if-match": entityTag(request.ifMatch) }),
  ...(request.ifNoneMatch !== undefined && { "if-none-match": entityTag(request.ifNoneMatch) }),
  ...(request.fresh && { "cache-control": "no-cache" }),
  ...(request.body !== undefined && { "content-type": "application/json" }),
});

class NoRoom extends Error {}

const exchange = async (
  http: HttpPool,
  request: AgentRequest,
  { signal, origin, roomFor, repeatable = true }: CallOptions,
): Promise<WireAnswer> => {
  const { statusCode, headers, body } = await http.send({
    ...(origin !== undefined && { origin }),
    method: request.method,
    path: request.path,
    headers: headersOf(request, http.authorization()),
    ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
    signal,
    repeatable,
  });
  if (statusCode === 200 && roomFor !== undefined && !(await roomFor(lengthOf(headers), signal))) {
    body.on("error", () => {}).destroy();
    throw new NoRoom();
  }
  return { status: statusCode, headers, body: await body.text() };
};

const lengthOf = (headers: WireAnswer["headers"]): number | undefined => {
  const length = headers["content-length"];
  return length === undefined ? undefined : Number(length);
};

/** Never throws for what a network or the agent does. */
export const callAgent = async (
  http: HttpPool,
  request: AgentRequest,
  options: CallOptions,
): Promise<WireAnswer | NoAnswer> => {
  try {
    return await exchange(http, request, options);
  } catch (error) {
    if (error instanceof NoRoom) {
      return { kind: "no-room", what: "answered, but too many large answers were worked on here" };
    }
    if (options.signal.aborted) return { kind: "late", what: "did not answer in time" };
    const { kind, what } = connectionFault(error);
    return { kind, what };
  }
};
