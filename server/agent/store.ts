// SPDX-License-Identifier: Apache-2.0
// What the agent asks of anything that keeps secrets: the PKCS#11 token, or memory in tests and local runs.
import type { DeviceInfo, SecretSummary } from "../agent-api.ts";

/** Why a token can't be read. Each is a code of the HTTP error table; all are answered with 503. */
export type UnavailableCode =
  | "TOKEN_UNAVAILABLE"
  | "PIN_LOCKED"
  | "PIN_INCORRECT"
  | "TIMEOUT"
  | "STORAGE_INVALID";

/** The store can't tell what the token holds. It never means that a secret is absent. */
export type Unavailable = {
  kind: "unavailable";
  code: UnavailableCode;
  /** For people; says what to do. Never a value or a PIN. */
  message: string;
  /** When asking again is worth it. */
  retryAfterSeconds: number;
};

/** One secret as it is on the token. Keys are unique and sorted by nothing; values are raw bytes. */
export type Secret = { data: ReadonlyMap<string, Uint8Array>; checksum: string; version: number };

/** `absent` is said only after a listing that worked and showed no object of this path. */
export type ReadResult = ({ kind: "found" } & Secret) | { kind: "absent" } | Unavailable;

export type ListResult = { kind: "listed"; secrets: SecretSummary[] } | Unavailable;

export type InfoResult = ({ kind: "info" } & Omit<DeviceInfo, "device" | "node">) | Unavailable;

/** What a store knows about its token without asking it. */
export type Health = { ready: true } | { ready: false; code: UnavailableCode; message: string };

export type ReadOptions = {
  /** True asks for a view of the token that was loaded after this request arrived. */
  fresh?: boolean;
  /** Aborted when the caller is gone; the answer is then of no interest. */
  signal?: AbortSignal;
};

export type SecretStore = {
  read(path: string, options?: ReadOptions): Promise<ReadResult>;
  /** Every secret whose path starts with `prefix`; the empty prefix is everything. */
  list(prefix: string, options?: { signal?: AbortSignal }): Promise<ListResult>;
  info(): Promise<InfoResult>;
  health(): Health;
  /** Lets go of the token. Calls under way are answered with TOKEN_UNAVAILABLE. */
  close(): Promise<void>;
};

/** An `Unavailable` of `code`. */
export const unavailable = (code: UnavailableCode, message: string, retryAfterSeconds = 5): Unavailable => ({
  kind: "unavailable",
  code,
  message,
  retryAfterSeconds,
});
