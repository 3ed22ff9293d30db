// SPDX-License-Identifier: Apache-2.0
// Parses JSON request bodies, with keys of any name, and sends large responses in chunks.
import { Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import { ApiError } from "./errors.ts";
import type { KeyswitchServer } from "./instance.ts";

/**
 * Takes bodies of `mediaType` as JSON. JSON.parse makes `__proto__` a property like any other, and so do spread and
 * Object.fromEntries; assigning to a computed name and Object.assign would not. A route without a schema for its body
 * takes an empty one, whatever the caller calls it.
 */
export const parseJsonBodies = (app: KeyswitchServer, mediaType: string): void => {
  app.addContentTypeParser(
    mediaType,
    { parseAs: "string" },
    async (request: FastifyRequest, body: string) => {
      if (body.length === 0 && request.routeOptions.schema?.body === undefined) return undefined;
      try {
        return JSON.parse(body.replace(/^\uFEFF/, ""));
      } catch {
        throw new ApiError("INVALID_JSON");
      }
    },
  );
};

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
