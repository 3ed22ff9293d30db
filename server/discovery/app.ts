// SPDX-License-Identifier: Apache-2.0
// Builds the server of discovery from its parts, without listening. docs/discovery.md describes what it serves.
import { Type } from "@sinclair/typebox";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { TlsFiles } from "../config/listener.ts";
import { DiscoveryBody } from "../discovery-api/schema.ts";
import type { AuthOptions } from "../http/auth.ts";
import { ErrorBody } from "../http/error-body.ts";
import { sendError } from "../http/errors.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import { buildServer } from "../http/server.ts";
import { compileSerializer, tagsOf } from "../http/validation.ts";
import type { Current } from "./device-watch.ts";

export type DiscoveryAppOptions = {
  current: () => Current;
  /** Why a resource is not registered at the kubelet; undefined where all are, and without a device plugin. */
  pluginFailure?: () => string | undefined;
  logger: Logger;
  registry: Registry;
  auth: AuthOptions;
  tls?: TlsFiles;
};

/** The next look is not further away. */
const RETRY_SECONDS = 2;

const DevicesSchema = {
  headers: Type.Object({ "if-none-match": Type.Optional(Type.String({ maxLength: 8192 })) }),
  response: { 200: DiscoveryBody, 304: Type.Void(), "4xx": ErrorBody, "5xx": ErrorBody },
};

/** Discovery. It is ready while the devices can be read. */
export const buildDiscoveryApp = (options: DiscoveryAppOptions): KeyswitchServer => {
  const { current, pluginFailure, logger, registry, auth, tls } = options;
  const app = buildServer({
    logger,
    registry,
    auth,
    ready: () => {
      const found = current();
      const failure = pluginFailure?.();
      return [
        { name: "devices", ok: found.ok, required: true, ...(!found.ok && { message: found.message }) },
        // The report is true without it.
        ...(failure === undefined
          ? []
          : [{ name: "device-plugin", ok: false, required: false, message: failure }]),
      ];
    },
    serializer: compileSerializer,
    ...(tls && { tls }),
  });
  app.get("/v1/devices", { config: { scope: "read" }, schema: DevicesSchema }, async (request, reply) => {
    const found = current();
    // A report that may be out of date could have an agent removed that is needed.
    if (!found.ok) {
      return sendError(reply, "NOT_READY", { message: found.message, retryAfterSeconds: RETRY_SECONDS });
    }
    reply.header("etag", found.etag);
    const isKnown = tagsOf(request.headers["if-none-match"]).some((tag) => tag === "*" || tag === found.etag);
    return isKnown ? reply.code(304).send() : found.body;
  });
  return app;
};
