// SPDX-License-Identifier: Apache-2.0
// Sends prepared requests over a kept-alive HTTP/1.1 connection, on a plain socket: a client that costs as much as the server would hide
// the differences between servers.
import { connect } from "node:net";

/** A request of a kept-alive connection. */
export const encode = (method: string, { path, body }: { path: string; body: string }): Buffer =>
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
export type Tally = { failed: number; readonly samples: number[] };

/** A request, and how long it has to wait until it is its turn; without one the connection ends. */
export type Turn = { readonly request: Buffer | undefined; readonly waitMs: number };

/** Requests one after the other on one connection, as long as `next` answers with one. */
export const loadConnection = (port: number, next: () => Turn, tally: Tally): Promise<void> =>
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
