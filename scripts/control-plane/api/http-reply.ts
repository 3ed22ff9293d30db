// SPDX-License-Identifier: Apache-2.0
// Writes replies: JSON objects, lists, tables and watch streams, with warnings and errors.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ApiContext, Reply, WatchReply } from "./api-request.ts";
import { type ApiError, statusBody } from "./api-status.ts";
import type { JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { apiVersionOf, type ResourceKind } from "./registry.ts";
import { tableOf, wantsTable } from "./table/table.ts";
import { startWatch } from "./watch-stream.ts";

/** Sends one JSON body. */
export const sendJson = (response: ServerResponse, code: number, body: JsonObject): void => {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(code, { "content-type": "application/json", "content-length": bytes.length });
  response.end(bytes);
};

export const sendError = (response: ServerResponse, error: ApiError): void => {
  sendJson(response, error.code, statusBody(error));
};

/** RFC 7234 warnings, which kubectl prints. */
export const setWarnings = (response: ServerResponse, warnings: string[]): void => {
  if (warnings.length === 0) return;
  response.setHeader(
    "warning",
    [...new Set(warnings)].map((text) => `299 - ${JSON.stringify(text.replaceAll(/[\r\n]+/g, " "))}`),
  );
};

const withType = (kind: ResourceKind, object: KubeObject): JsonObject => {
  const { apiVersion, kind: name, metadata, ...rest } = object;
  return { apiVersion, kind: name || kind.kind, metadata, ...rest };
};

export type ReplyOptions = { accept: string; query: URLSearchParams; bookmarkIntervalMs: number };

/** Sends a reply in the form that the request accepts. */
export const sendReply = (
  ctx: ApiContext,
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  options: ReplyOptions,
): void => {
  if (reply.reply === "watch") sendWatch(ctx, request, response, reply, options);
  else if (reply.reply === "body") sendJson(response, reply.code, reply.body);
  else if (reply.reply === "object") {
    const { kind, object, code } = reply;
    const version = object.metadata.resourceVersion;
    const asTable = wantsTable(options.accept);
    sendJson(response, code, asTable ? table(ctx, kind, [object], options, version) : withType(kind, object));
  } else {
    const { kind, objects, version } = reply;
    const list = {
      kind: kind.listKind,
      apiVersion: apiVersionOf(kind),
      metadata: { resourceVersion: String(version) },
      items: objects.map((object) => withType(kind, object)),
    };
    const asTable = wantsTable(options.accept);
    sendJson(response, 200, asTable ? table(ctx, kind, objects, options, String(version)) : list);
  }
};

const table = (
  ctx: ApiContext,
  kind: ResourceKind,
  objects: KubeObject[],
  options: ReplyOptions,
  version: string | undefined,
): JsonObject =>
  tableOf(kind, objects, {
    now: ctx.now(),
    includeObject: options.query.get("includeObject") ?? "Metadata",
    version,
  });

const sendWatch = (
  ctx: ApiContext,
  request: IncomingMessage,
  response: ServerResponse,
  watch: WatchReply,
  options: ReplyOptions,
): void => {
  response.writeHead(200, { "content-type": "application/json", "transfer-encoding": "chunked" });
  response.flushHeaders();
  const asTable = wantsTable(options.accept);
  const line = (type: string, object: JsonObject) => response.write(`${JSON.stringify({ type, object })}\n`);
  let stop = () => {};
  stop = startWatch(
    ctx,
    watch,
    {
      send: (type, object) =>
        line(
          type,
          asTable
            ? table(ctx, watch.kind, [object], options, object.metadata.resourceVersion)
            : withType(watch.kind, object),
        ),
      sendRaw: line,
      end: () => response.end(),
    },
    options.bookmarkIntervalMs,
  );
  response.on("close", () => stop());
  request.on("aborted", () => stop());
};
