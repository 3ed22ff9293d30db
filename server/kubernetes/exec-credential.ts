// SPDX-License-Identifier: Apache-2.0
// Reads the ExecCredential that an exec plugin prints: a token, a client certificate with its key, or both, and until when.
import { createSecureContext } from "node:tls";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Parsed } from "../config/reread-file.ts";
import { isBearerToken } from "../config/token-file.ts";
import type { KeyPair } from "../http/http-pool.ts";
import { jsonOf } from "../json.ts";

/** What is shown to the API server. It is in no log. */
export type ExecCredential = {
  readonly token?: string;
  readonly certificate?: KeyPair;
  /** Milliseconds since the epoch; without it they count until they are refused. */
  readonly expiresAt?: number;
};

/** Programs write null for what they have not, and client-go takes it. */
const Text = Type.Optional(Type.Union([Type.String(), Type.Null()]));

/** https://kubernetes.io/docs/reference/config-api/client-authentication.v1/#client-authentication-k8s-io-v1-ExecCredentialStatus */
const Status = Type.Object({
  token: Text,
  clientCertificateData: Text,
  clientKeyData: Text,
  expirationTimestamp: Text,
});
const Document = Type.Object({
  kind: Type.Literal("ExecCredential"),
  apiVersion: Type.String(),
  status: Status,
});

const fault = (message: string): { ok: false; message: string } => ({ ok: false, message });

const fitsTogether = (pair: KeyPair): boolean => {
  try {
    createSecureContext(pair);
    return true;
  } catch {
    return false;
  }
};

const certificateOf = (status: Static<typeof Status>): Parsed<KeyPair | undefined> => {
  const { clientCertificateData: cert, clientKeyData: key } = status;
  if (!cert && !key) return { ok: true, value: undefined };
  if (!cert || !key) {
    return fault("printed a clientCertificateData without a clientKeyData, or the other way round");
  }
  return fitsTogether({ cert, key })
    ? { ok: true, value: { cert, key } }
    : fault("printed a clientCertificateData and a clientKeyData that do not fit together");
};

/** What a plugin has printed. A message completes "the exec plugin …" and holds nothing of it. */
export const parseExecCredential = (printed: string, apiVersion: string): Parsed<ExecCredential> => {
  const document = jsonOf(printed);
  if (!Value.Check(Document, document)) {
    return fault("printed something that is no ExecCredential with a status");
  }
  if (document.apiVersion !== apiVersion) {
    return fault(`printed an ExecCredential that is not of ${apiVersion}`);
  }
  const { token, expirationTimestamp } = document.status;
  if (token && !isBearerToken(token)) return fault("printed a token that is no bearer token");
  const certificate = certificateOf(document.status);
  if (!certificate.ok) return certificate;
  if (!token && certificate.value === undefined) {
    return fault("printed neither a token nor a client certificate");
  }
  const expiresAt = expirationTimestamp ? Date.parse(expirationTimestamp) : undefined;
  if (Number.isNaN(expiresAt)) return fault("printed an expirationTimestamp that is no time");
  return {
    ok: true,
    value: {
      ...(token && { token }),
      ...(certificate.value && { certificate: certificate.value }),
      ...(expiresAt !== undefined && { expiresAt }),
    },
  };
};
