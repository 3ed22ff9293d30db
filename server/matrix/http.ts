// SPDX-License-Identifier: Apache-2.0
// Sends requests of the client-server API to one homeserver; its errors are told apart by errcode, never by text.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { retryAfterSeconds } from "../http/connection-fault.ts";
import { jsonOf } from "../json.ts";
import {
  createHttpExchange,
  type HttpExchange,
  type HttpExchangeOptions,
  type HttpFailure,
  type HttpReply,
} from "./http-exchange.ts";

export type MatrixRequest = {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** From `/_matrix` on; variable segments are encoded by the caller. */
  path: string;
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  body?: unknown;
  accessToken?: string;
  /** For the whole exchange. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** Whether it may be sent again after a stale connection; by default all but POST. */
  repeatable?: boolean;
};

/** https://spec.matrix.org/latest/client-server-api/#standard-error-response */
export type MatrixFault =
  | {
      ok: false;
      kind: "matrix";
      status: number;
      /** Such as `M_FORBIDDEN`. */
      errcode: string;
      /** The session has ended and its device and keys are still there: a log-in with the same device id revives it. */
      softLogout: boolean;
      retryAfterMs?: number;
    }
  /** An answer, such as a proxy's, that is no JSON of Matrix. */
  | { ok: false; kind: "http"; status: number; retryAfterMs?: number }
  | { ok: false; kind: "not-json"; status: number }
  | HttpFailure;

export type MatrixAnswer = { ok: true; status: number; body: unknown } | MatrixFault;

export type MatrixHttp = {
  readonly homeserver: string;
  /** Never throws for what a network or the homeserver does. */
  request(request: MatrixRequest): Promise<MatrixAnswer>;
  close(): Promise<void>;
};

export type MatrixHttpOptions = HttpExchangeOptions & {
  /** Without a slash at its end. */
  homeserver: string;
  /** Connections to use instead of own ones; they are then not closed here. */
  exchange?: HttpExchange;
};

const MatrixError = Type.Object({
  errcode: Type.String(),
  soft_logout: Type.Optional(Type.Unknown()),
  retry_after_ms: Type.Optional(Type.Unknown()),
});

/** What an errcode looks like; anything else a server may have put there is not passed on. */
const ERRCODE = /^[A-Za-z0-9_.]{1,64}$/;

/** @throws UnusableFile when the CA file can't be used at the start. */
export const createMatrixHttp = (options: MatrixHttpOptions): MatrixHttp => {
  const { homeserver } = options;
  const exchange = options.exchange ?? createHttpExchange(options);
  return {
    homeserver,
    async request({ method, path, query = {}, body, accessToken, timeoutMs, signal, repeatable }) {
      const reply = await exchange.send({
        method,
        url: urlOf(`${homeserver}${path}`, query),
        headers: {
          accept: "application/json",
          ...(body !== undefined && { "content-type": "application/json" }),
          ...(accessToken !== undefined && { authorization: `Bearer ${accessToken}` }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        timeoutMs,
        ...(signal !== undefined && { signal }),
        repeatable: repeatable ?? method !== "POST",
      });
      return reply.ok ? answerOf(reply) : reply;
    },
    close: async () => {
      if (options.exchange === undefined) await exchange.close();
    },
  };
};

const urlOf = (address: string, query: NonNullable<MatrixRequest["query"]>): URL => {
  const url = new URL(address);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url;
};

const answerOf = ({ status, headers, body }: HttpReply): MatrixAnswer => {
  const parsed = jsonOf(body);
  if (status < 200 || status >= 300) return faultOf(status, parsed, headers["retry-after"]);
  return parsed === undefined ? { ok: false, kind: "not-json", status } : { ok: true, status, body: parsed };
};

const faultOf = (status: number, body: unknown, header: string | string[] | undefined): MatrixFault => {
  const matrix = Value.Check(MatrixError, body) ? body : undefined;
  const retryAfterMs = milliseconds(matrix?.retry_after_ms) ?? seconds(header);
  const retry = retryAfterMs !== undefined && { retryAfterMs };
  if (matrix === undefined) return { ok: false, kind: "http", status, ...retry };
  const errcode = ERRCODE.test(matrix.errcode) ? matrix.errcode : "M_UNKNOWN";
  return { ok: false, kind: "matrix", status, errcode, softLogout: matrix.soft_logout === true, ...retry };
};

const milliseconds = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) && value >= 0 ? Math.ceil(value) : undefined;

const seconds = (header: unknown): number | undefined => {
  const asked = retryAfterSeconds(header);
  return asked === undefined ? undefined : asked * 1000;
};

/** A fault as a stable phrase for people, completing "The homeserver …". */
export const describeFault = (fault: MatrixFault): string => {
  if (fault.kind === "matrix") return `answered ${fault.status} ${fault.errcode}`;
  if (fault.kind === "http") return `answered ${fault.status} without a Matrix error`;
  if (fault.kind === "not-json") return "answered something that is not JSON";
  return fault.what;
};
