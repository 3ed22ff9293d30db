// SPDX-License-Identifier: Apache-2.0
// What callers may take of a process, the same for every listener. docs/configuration.md tells them.

export type TrafficLimits = {
  /** Connections at once. Above it the one is closed that is worth least: see connections.ts. */
  connections: number;
  /** From the connection to its first whole request head, the TLS handshake included, in milliseconds. */
  firstRequestMs: number;
  /** Requests of one connection that are not answered yet. */
  pipelined: number;
  /** How long a caller may take to read an answer, in milliseconds. */
  answerMs: number;
  /** Bytes of all request bodies that are worked on. A single larger one is taken when it is alone. */
  requestBytes: number;
  /** Bytes of all secrets that are being answered. A single larger one is answered when it is alone. */
  answerBytes: number;
};

const MIB = 1024 * 1024;

export const TRAFFIC_LIMITS: TrafficLimits = {
  connections: 128,
  firstRequestMs: 10_000,
  pipelined: 4,
  answerMs: 30_000,
  requestBytes: 16 * MIB,
  answerBytes: 8 * MIB,
};
