// SPDX-License-Identifier: Apache-2.0
// Classifies failed HTTP exchanges by the codes of undici, Node and OpenSSL, never by a message text, and reads Retry-After.
import { errors } from "undici";

export type ConnectionFault = {
  /** `refused`: something came that is not taken. */
  readonly kind: "unreachable" | "refused";
  /** Completes "The agent …". */
  readonly what: string;
  /** The peer closed the connection, as it does with one that was kept for too long: it may or may not have read the request. */
  readonly stale?: true;
};

const unreachable = (what: string): ConnectionFault => ({ kind: "unreachable", what });
const CLOSED: ConnectionFault = { ...unreachable("closed the connection"), stale: true };

const FAULTS: Readonly<Record<string, ConnectionFault>> = {
  ECONNREFUSED: unreachable("refused the connection"),
  EHOSTUNREACH: unreachable("can't be reached (no route)"),
  ENETUNREACH: unreachable("can't be reached (no route)"),
  ENOTFOUND: unreachable("can't be reached (its name is unknown)"),
  EAI_AGAIN: unreachable("can't be reached (name lookup failed)"),
  UND_ERR_CONNECT_TIMEOUT: unreachable("can't be reached (connecting took too long)"),
  UND_ERR_HEADERS_TIMEOUT: unreachable("did not answer in time"),
  UND_ERR_BODY_TIMEOUT: unreachable("did not answer in time"),
  UND_ERR_RES_EXCEEDED_MAX_SIZE: { kind: "refused", what: "answered more than is taken" },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: { kind: "refused", what: "answered something that is not HTTP" },
  UND_ERR_HEADERS_OVERFLOW: { kind: "refused", what: "answered more than is taken" },
  UND_ERR_SOCKET: CLOSED,
  ECONNRESET: CLOSED,
  EPIPE: CLOSED,
};

/** OpenSSL's verification results, as Node gives them. https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const UNTRUSTED =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|PATH_LENGTH_|HOSTNAME_|ERR_TLS_CERT)/;

/** The fault behind what undici threw. */
export const connectionFault = (error: unknown): ConnectionFault => {
  // Carries the bytes that it could not parse, so nothing of it is passed on; some have no code.
  if (error instanceof errors.HTTPParserError) {
    return { kind: "refused", what: "answered something that is not HTTP" };
  }
  const code = codeOf(error);
  const known = FAULTS[code];
  if (known !== undefined) return known;
  if (UNTRUSTED.test(code)) return unreachable(`has a certificate that is not trusted (${code})`);
  if (code.startsWith("ERR_SSL") || code === "EPROTO") {
    return unreachable(`failed in the TLS handshake (${code})`);
  }
  if (code.startsWith("HPE_")) {
    return { kind: "refused", what: `answered something that is not HTTP (${code})` };
  }
  return unreachable(`can't be reached (${code})`);
};

/** A host with several addresses fails with an AggregateError, whose members have the codes. */
const codeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return "unknown error";
  if ("code" in error && typeof error.code === "string") return error.code;
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error.cause === undefined ? "unknown error" : codeOf(error.cause);
};

/** The seconds of a Retry-After header (RFC 9110, section 10.2.3); its form with a date is not used by those who are asked here. */
export const retryAfterSeconds = (header: unknown): number | undefined =>
  typeof header === "string" && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
