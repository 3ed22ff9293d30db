// SPDX-License-Identifier: Apache-2.0
// Defines the limits on connections and traffic, the same for every listener. docs/configuration.md documents them.

export type TrafficLimits = {
  /** Connections at once. Above it the one is closed that is worth least: see ConnectionSlots. */
  connections: number;
  /** Of these, what callers with credentials never take from probes, which have none. */
  forUnauthenticated: number;
  /** From the connection to its first whole request head, the TLS handshake included, in milliseconds. */
  firstRequestMs: number;
  /** Requests of one connection that are not answered yet. */
  pipelined: number;
  /** How long a caller may take to read an answer, in milliseconds. */
  answerMs: number;
  /** Bytes of all request bodies that are worked on. A single larger one is taken when it is alone. */
  requestBytes: number;
  /** Bytes of request bodies that wait, unread, for others to be over; and for how long, in milliseconds. */
  requestBytesWaiting: number;
  requestWaitMs: number;
  /** Bytes of all secrets that are being answered, also from an agent to the webhook. A single larger one is answered when it is alone. */
  answerBytes: number;
  /** Garbage is collected after so many bytes of large bodies, at the latest. */
  collectEveryBytes: number;
};

const MIB = 1024 * 1024;

export const TRAFFIC_LIMITS: TrafficLimits = {
  connections: 96,
  forUnauthenticated: 16,
  firstRequestMs: 10_000,
  pipelined: 4,
  answerMs: 30_000,
  requestBytes: 8 * MIB,
  requestBytesWaiting: 32 * MIB,
  requestWaitMs: 3000,
  answerBytes: 2 * MIB,
  collectEveryBytes: 4 * MIB,
};
