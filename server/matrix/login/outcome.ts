// SPDX-License-Identifier: Apache-2.0
// Defines the outcomes of a log-in: a session, or the failed stage with advice for the operator.

import type { MatrixHttp } from "../http.ts";
import type { HttpExchange } from "../http-exchange.ts";

/** A device of a user on the homeserver, and the token that acts for it. */
export type Session = {
  /** Full id. */
  userId: string;
  deviceId: string;
  accessToken: string;
};

/** Where it failed: the configuration, the provider (Keycloak), the token that it gave, or the homeserver. */
export type LogInStage = "configuration" | "keycloak" | "jwt" | "matrix";

export type LogInFailure = {
  ok: false;
  stage: LogInStage;
  /** Sentences for a person: what happened, and what to do. Without secrets, and without a server's own text. */
  reason: string;
  /** Whether trying the same again later can succeed. */
  retry: boolean;
  /** No earlier than this. */
  retryAfterMs?: number;
};

export type LogInOutcome = { ok: true; session: Session } | LogInFailure;

/** Told as a log-in goes on; `conntest` prints them. Claims are public parts of a token, never the token. */
export type LogInStep =
  | { step: "keycloak-token"; expiresInSeconds?: number }
  | {
      step: "jwt";
      header: Readonly<Record<string, unknown>>;
      claims: Readonly<Record<string, unknown>>;
      notes: string[];
    }
  | { step: "login-form"; origin: string }
  | { step: "login-token" };

export type LogInDeps = {
  http: MatrixHttp;
  /** For Keycloak, and for the pages of a single sign-on. */
  exchange: HttpExchange;
  /** Milliseconds since the epoch. */
  now: () => number;
  onStep?: (step: LogInStep) => void;
  /** Ends what is under way. */
  signal?: AbortSignal;
};

export type DeviceOptions = {
  /** An existing device goes on under it; otherwise a device of this id is made. Absent: the homeserver chooses one. */
  deviceId?: string;
  /** Shown to the user's other devices. */
  displayName?: string;
};

export const failure = (
  stage: LogInStage,
  reason: string,
  retry: { retry: boolean; retryAfterMs?: number } = { retry: false },
): LogInFailure => ({ ok: false, stage, reason, ...retry });

/** For one request of a log-in. */
export const LOG_IN_TIMEOUT_MS = 30_000;
