// SPDX-License-Identifier: Apache-2.0
// Runs a process that loads an HTTP/1.1 server over kept-alive connections. It uses plain sockets and prepared requests: a
// client that costs as much as the server would hide the differences between servers.
import { connect } from "node:net";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { rounded, Timing, timingOf } from "./quantile.ts";

/**
 * Requests `method` of each target in turn, for `seconds`, one at a time on each of `connections`: as fast as they are answered, or
 * `perSecond` in all, evenly.
 */
export const LoadRequest = Type.Object({
  port: Type.Integer(),
  method: Type.Union([Type.Literal("GET"), Type.Literal("POST")]),
  targets: Type.Array(Type.Object({ path: Type.String(), body: Type.String() }), { minItems: 1 }),
  connections: Type.Integer({ minimum: 1 }),
  seconds: Type.Number(),
  perSecond: Type.Optional(Type.Number()),
});
export type LoadRequest = Static<typeof LoadRequest>;

/** `failed` counts the answers that were not 200; `timing` is in milliseconds. */
export const LoadReply = Type.Object({ perSecond: Type.Number(), failed: Type.Integer(), timing: Timing });

const encode = (method: string, { path, body }: { path: string; body: string }): Buffer =>
  Buffer.from(
    body === ""
      ? `${method} ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`
      : `${method} ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );

/** Whether `received` is one whole answer with a content-length. */
const isWhole = (received: Buffer): boolean => {
  const end = received.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(received.toString("latin1", 0, end))?.[1];
  if (length === undefined) throw new Error("an answer without content-length");
  return received.length >= end + 4 + Number(length);
};

/** What one load has found so far. */
type Tally = { failed: number; readonly samples: number[] };

/** A request, and how long it has to wait until it is its turn. */
type Turn = { readonly request: Buffer | undefined; readonly waitMs: number };

/** Requests one after the other on one connection, as long as `next` answers with one. */
const loadConnection = (port: number, next: () => Turn, tally: Tally): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1").setNoDelay();
    let received = Buffer.alloc(0);
    let sentAt = 0;
    const write = (request: Buffer) => {
      sentAt = performance.now();
      socket.write(request);
    };
    const send = () => {
      const { request, waitMs } = next();
      if (request === undefined) socket.end();
      else if (waitMs > 0) setTimeout(write, waitMs, request);
      else write(request);
    };
    socket.on("error", reject);
    socket.on("close", resolve);
    socket.on("connect", send);
    socket.on("data", (chunk) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      if (!isWhole(received)) return;
      if (received.toString("latin1", 9, 12) !== "200") tally.failed += 1;
      received = Buffer.alloc(0);
      tally.samples.push(performance.now() - sentAt);
      send();
    });
  });

const load = async ({ port, method, targets, connections, seconds, perSecond }: LoadRequest) => {
  const requests = targets.map((target) => encode(method, target));
  const tally: Tally = { failed: 0, samples: [] };
  const begin = performance.now();
  const deadline = begin + seconds * 1000;
  let sent = 0;
  const next = (): Turn => {
    const now = performance.now();
    const due = perSecond === undefined ? now : begin + (1000 * sent) / perSecond;
    // Each connection sends at least one.
    if (sent >= connections && Math.max(now, due) >= deadline) return { request: undefined, waitMs: 0 };
    const request = requests[sent % requests.length];
    sent += 1;
    return { request, waitMs: due - now };
  };
  await Promise.all(Array.from({ length: connections }, () => loadConnection(port, next, tally)));
  const elapsed = (performance.now() - begin) / 1000;
  const { failed, samples } = tally;
  return { perSecond: rounded(samples.length / elapsed), failed, timing: timingOf(samples) };
};

process.on("message", async (message: unknown) => {
  if (!Value.Check(LoadRequest, message)) throw new Error("not a load");
  process.send?.(await load(message));
});
