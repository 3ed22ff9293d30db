// SPDX-License-Identifier: Apache-2.0
// Sends large responses in chunks: a TLS connection keeps buffers as large as the largest write for as long as it lives.
import { Readable } from "node:stream";
import type { KeyswitchServer } from "./instance.ts";

/** In UTF-16 code units. */
const CHUNK = 64 * 1024;

/** Has answers go out piece by piece, each when the one before is on its way. */
export const sendInChunks = (app: KeyswitchServer): void => {
  app.addHook("onSend", async (_request, reply, payload) => {
    if (typeof payload !== "string" || payload.length <= CHUNK) return payload;
    reply.header("content-length", Buffer.byteLength(payload));
    return Readable.from(piecesOf(payload), { objectMode: false });
  });
};

function* piecesOf(text: string): Generator<Buffer> {
  for (let at = 0; at < text.length; ) {
    // Not between the halves of a surrogate pair.
    const cut = at + CHUNK - (isHighSurrogate(text.charCodeAt(at + CHUNK - 1)) ? 1 : 0);
    yield Buffer.from(text.slice(at, cut));
    at = cut;
  }
}

const isHighSurrogate = (unit: number): boolean => (unit & 0xfc00) === 0xd800;
