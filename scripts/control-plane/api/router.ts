// SPDX-License-Identifier: Apache-2.0
// Routes a request to version, discovery, schemas, or a verb on a resource.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ApiContext, ApiRequest, FieldValidation, Reply } from "./api-request.ts";
import { ApiError, badRequest, methodNotAllowed, pathNotFound } from "./api-status.ts";
import { aggregatedDiscovery, coreVersions, groupInfo, groupList, resourceList } from "./discovery.ts";
import { sendError, sendJson, sendReply, setWarnings } from "./http-reply.ts";
import type { JsonObject } from "./json.ts";
import { openApiDocument, openApiIndex } from "./openapi.ts";
import { sendOpenApiV2 } from "./openapi-v2.ts";
import { readBody } from "./request-body.ts";
import { resourcePath } from "./request-path.ts";
import { remove } from "./verbs/delete.ts";
import { patch } from "./verbs/patch.ts";
import { read } from "./verbs/read.ts";
import { create, replace } from "./verbs/write.ts";

export type RouterOptions = { bookmarkIntervalMs: number; log: (line: string) => void };

const versionInfo: JsonObject = {
  major: "1",
  minor: "32",
  gitVersion: "v1.32.0-keyswitch",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "",
  platform: `${process.platform}/${process.arch}`,
};

const wantsAggregated = (accept: string): boolean =>
  accept.includes("as=APIGroupDiscoveryList") && accept.includes("v=v2");

const staticAnswer = (ctx: ApiContext, pathname: string, accept: string): JsonObject | undefined => {
  const path = pathname.replace(/\/$/, "");
  if (path === "/version") return versionInfo;
  if (path === "/api") {
    return wantsAggregated(accept) ? aggregatedDiscovery(ctx.registry, true) : coreVersions();
  }
  if (path === "/apis") {
    return wantsAggregated(accept) ? aggregatedDiscovery(ctx.registry, false) : groupList(ctx.registry);
  }
  if (path === "/openapi/v3") return openApiIndex(ctx.registry);
  if (path.startsWith("/openapi/v3/")) {
    return openApiDocument(ctx.registry, path.slice("/openapi/v3/".length));
  }
  if (path === "/api/v1") return resourceList(ctx.registry, "v1");
  const [, group, version, more] = /^\/apis\/([^/]+)(?:\/([^/]+))?(\/.*)?$/.exec(path) ?? [];
  if (group === undefined || more !== undefined) return undefined;
  return version === undefined
    ? groupInfo(ctx.registry, group)
    : resourceList(ctx.registry, `${group}/${version}`);
};

const fieldValidation = (text: string | null): FieldValidation => {
  if (text === "Strict" || text === "Ignore" || text === "Warn") return text;
  if (text === null || text === "") return "Warn";
  throw badRequest(
    `fieldValidation: Unsupported value: "${text}": supported values: "Ignore", "Strict", "Warn"`,
  );
};

const dryRun = (query: URLSearchParams): boolean => {
  const values = query.getAll("dryRun");
  const wrong = values.find((value) => value !== "All");
  if (wrong !== undefined) throw badRequest(`dryRun: Unsupported value: "${wrong}": supported values: "All"`);
  return values.length > 0;
};

const apiRequest = async (ctx: ApiContext, request: IncomingMessage, url: URL): Promise<ApiRequest> => {
  const path = resourcePath(url.pathname);
  const kind = path && ctx.registry.find(path.group, path.version, path.resource);
  if (!path || !kind) throw pathNotFound();
  if (path.namespace !== undefined && !kind.namespaced) throw pathNotFound();
  const { subresource } = path;
  const known =
    subresource === undefined ||
    (subresource === "status" && kind.statusSubresource) ||
    (subresource === "scale" && kind.scale !== undefined);
  if (!known) throw pathNotFound();
  const query = url.searchParams;
  const agent = request.headers["user-agent"]?.split("/")[0] ?? "";
  return {
    kind,
    namespace: path.namespace,
    name: path.name,
    subresource,
    method: request.method ?? "GET",
    query,
    contentType: (request.headers["content-type"] ?? "application/json").split(";")[0]?.trim() ?? "",
    body: await readBody(request),
    options: {
      manager: query.get("fieldManager") ?? (agent || "unknown"),
      dryRun: dryRun(query),
      fieldValidation: fieldValidation(query.get("fieldValidation")),
      force: query.get("force") === "true",
      warnings: [],
    },
  };
};

const perform = (ctx: ApiContext, request: ApiRequest): Reply => {
  const { method, name, kind } = request;
  if (method === "GET") return read(ctx, request);
  if (method === "POST" && name === undefined) return create(ctx, request);
  if (method === "PUT" && name !== undefined) return replace(ctx, request);
  if (method === "PATCH" && name !== undefined) return patch(ctx, request);
  if (method === "DELETE" && request.subresource === undefined) return remove(ctx, request);
  throw methodNotAllowed(`${method} ${kind.plural}`);
};

/** The server asks for no credentials, so a web page that was opened on this machine must not get at it. */
const refuseBrowsers = (request: IncomingMessage): void => {
  const host = (request.headers.host ?? "").replace(/:\d+$/, "");
  const isLocal = host === "127.0.0.1" || host === "localhost";
  if (isLocal && request.headers.origin === undefined) return;
  throw new ApiError(403, "Forbidden", "requests from web pages and for other hosts are refused");
};

/** Answers one request; errors become Status bodies, a bug becomes a 500. */
export const route = async (
  ctx: ApiContext,
  request: IncomingMessage,
  response: ServerResponse,
  options: RouterOptions,
): Promise<void> => {
  const url = new URL(request.url ?? "/", "http://localhost");
  try {
    refuseBrowsers(request);
    if (sendStatic(ctx, request, response, url)) return;
    const parsed = await apiRequest(ctx, request, url);
    const reply = perform(ctx, parsed);
    setWarnings(response, parsed.options.warnings);
    sendReply(ctx, request, response, reply, {
      accept: request.headers.accept ?? "",
      query: url.searchParams,
      bookmarkIntervalMs: options.bookmarkIntervalMs,
    });
  } catch (error) {
    if (error instanceof ApiError) {
      sendError(response, error);
      return;
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    options.log(`internal error at ${request.method} ${url.pathname}: ${text}`);
    sendError(response, new ApiError(500, "InternalError", "Internal error occurred"));
  }
};

/** Answers probes, discovery and schemas; false where the request asks for none of them. */
const sendStatic = (
  ctx: ApiContext,
  request: IncomingMessage,
  response: ServerResponse,
  { pathname }: URL,
): boolean => {
  const accept = request.headers.accept ?? "";
  if (/^\/(healthz|livez|readyz)$/.test(pathname)) {
    response.writeHead(200, { "content-type": "text/plain" }).end("ok");
    return true;
  }
  if (request.method !== "GET") return false;
  if (pathname === "/openapi/v2") {
    sendOpenApiV2(response, accept);
    return true;
  }
  const body = staticAnswer(ctx, pathname, accept);
  if (!body) return false;
  response.setHeader("vary", "Accept");
  if (body.kind === "APIGroupDiscoveryList") sendAggregated(response, body);
  else sendJson(response, 200, body);
  return true;
};

const sendAggregated = (response: ServerResponse, body: JsonObject): void => {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(200, {
    "content-type": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    "content-length": bytes.length,
  });
  response.end(bytes);
};
