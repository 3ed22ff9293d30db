// SPDX-License-Identifier: Apache-2.0
// Reads a request's body: size limit, JSON, YAML or kubectl's protobuf.
import type { IncomingMessage } from "node:http";
import { parse as parseYaml } from "yaml";
import { badRequest, tooLarge, unsupportedMediaType } from "./api-status.ts";
import { type Json, toJson } from "./json.ts";
import { decodeProtobuf, isProtobuf } from "./protobuf/decode.ts";

/** kube-apiserver takes at most 3 MiB. */
const maxBytes = 3 * 1024 * 1024;

export const readBody = async (request: IncomingMessage): Promise<Json | undefined> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBytes) throw tooLarge(`Request entity too large: limit is ${maxBytes}`);
    chunks.push(bytes);
  }
  if (size === 0) return undefined;
  const bytes = Buffer.concat(chunks);
  if (isProtobuf(bytes)) {
    const decoded = decodeProtobuf(bytes);
    if (decoded.ok) return decoded.object;
    throw unsupportedMediaType(`the body is protobuf that this server can't read, send JSON: ${decoded.why}`);
  }
  const text = bytes.toString("utf8");
  const isYaml = (request.headers["content-type"] ?? "").includes("yaml");
  try {
    // Server-side apply names its media type yaml and usually sends JSON, which is YAML too.
    return toJson(isYaml && !text.startsWith("{") ? parseYaml(text) : JSON.parse(text));
  } catch (error) {
    throw badRequest(`error decoding the body: ${error instanceof Error ? error.message : "not JSON"}`);
  }
};
