// SPDX-License-Identifier: Apache-2.0
// Sends matrix-bot-sdk's HTTP requests over our connections: the function for its setRequestFn, in place of the package
// `request`.
import { Type } from "@sinclair/typebox";
import { compileSchema } from "../http/validation.ts";
import type { HttpExchange } from "./http-exchange.ts";

/** What the SDK asks for; see doHttpRequest in its lib/http.js. */
const SdkRequest = compileSchema(
  Type.Object({
    uri: Type.String(),
    method: Type.String(),
    qs: Type.Optional(Type.Union([Type.Null(), Type.Record(Type.String(), Type.Unknown())])),
    /** null: the body is wanted as bytes. */
    encoding: Type.Optional(Type.Null()),
    timeout: Type.Optional(Type.Number()),
    headers: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    body: Type.Optional(Type.Union([Type.String(), Type.Uint8Array()])),
  }),
);

/** No answer came. `code` is the kind of an HttpFailure; the message holds no address and no credentials. */
export class SdkRequestFailed extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The response that the SDK hands to its callers: headers in lower case, and the body as text or as bytes. */
export type SdkResponse = {
  statusCode: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string | Buffer;
};

export type SdkCallback = (
  error: SdkRequestFailed | null,
  response?: SdkResponse,
  body?: string | Buffer,
) => void;

/** Where the SDK gives no time limit. */
const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * `setRequestFn(createSdkRequest(exchange))`. Requests of the SDK that are not PUT, GET or DELETE are not repeated.
 * @param signal ends all requests under way when the bot stops
 */
export const createSdkRequest =
  (exchange: HttpExchange, signal?: AbortSignal) =>
  (params: unknown, callback: SdkCallback): void => {
    void send(exchange, params, signal).then(
      (response) => callback(null, response, response.body),
      (error: unknown) =>
        callback(
          error instanceof SdkRequestFailed
            ? error
            : new SdkRequestFailed("bug", "The request could not be made"),
        ),
    );
  };

const send = async (
  exchange: HttpExchange,
  params: unknown,
  signal: AbortSignal | undefined,
): Promise<SdkResponse> => {
  const url = SdkRequest.Check(params) ? URL.parse(params.uri) : null;
  if (!SdkRequest.Check(params) || url === null) {
    throw new SdkRequestFailed("bug", "The request has a shape that is not known");
  }
  for (const [name, value] of parametersOf(params.qs ?? {})) url.searchParams.append(name, value);
  const reply = await exchange.send({
    method: params.method,
    url,
    headers: headersOf(params.headers ?? {}),
    ...(params.body !== undefined && { body: params.body }),
    timeoutMs: params.timeout ?? DEFAULT_TIMEOUT_MS,
    ...(signal !== undefined && { signal }),
    repeatable: params.method !== "POST",
  });
  if (!reply.ok) throw new SdkRequestFailed(reply.kind, `The homeserver ${reply.what}`);
  const body = params.encoding === null ? reply.body : reply.body.toString("utf8");
  return { statusCode: reply.status, headers: reply.headers, body };
};

/** A list is a parameter for each of its members. */
const parametersOf = (query: Readonly<Record<string, unknown>>): [name: string, value: string][] =>
  Object.entries(query)
    .flatMap(([name, value]) => [value].flat().map((one: unknown) => [name, one] as const))
    .filter(([, one]) => one !== undefined && one !== null)
    .map(([name, one]) => [name, String(one)]);

const headersOf = (headers: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, String(value)]),
  );
