// SPDX-License-Identifier: Apache-2.0
// GET /v1/secrets and GET /v1/secrets/{path}: what the token holds, with entity tags.
import { Type } from "@sinclair/typebox";
import type { FastifyReply } from "fastify";
import { MAX_PATH_BYTES } from "../../../hooks/hsm-path.ts";
import type { KeyedChecksums } from "../../../hooks/keyed-checksum.ts";
import { ErrorBody, type ObjectProblem, SecretBody, SecretListBody } from "../../agent-api.ts";
import { sendError } from "../../http/errors.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import type { AgentMetrics } from "../metrics.ts";
import type { ListResult, SecretStore, Unavailable } from "../store.ts";
import { callerGone, startAudit } from "./audit.ts";
import { checkedPath } from "./checked-path.ts";
import { shownMetadata } from "./shown-metadata.ts";

export type SecretRouteOptions = { store: SecretStore; metrics: AgentMetrics; device: string };

/** The query of a list. */
export const ListQuery = Type.Object(
  { prefix: Type.Optional(Type.String({ maxLength: MAX_PATH_BYTES, pattern: "^[A-Za-z0-9._/-]*$" })) },
  { additionalProperties: false },
);
const SecretParams = Type.Object({ "*": Type.String() });
const SecretHeaders = Type.Object({
  "if-none-match": Type.Optional(Type.String({ maxLength: 8192 })),
  "cache-control": Type.Optional(Type.String({ maxLength: 8192 })),
});

/**
 * The tag by which a list of entity tags names the secret (RFC 9110, section 13.1.2: weak comparison): its checksum, or that
 * checksum as the webhook shows it in a status.
 */
const namedTag = (header: string | undefined, checksum: string, keys: KeyedChecksums): string | undefined => {
  const tag = `"${checksum}"`;
  const tags = header?.split(",").map((one) => one.trim().replace(/^W\//, "")) ?? [];
  if (tags.some((one) => one === "*" || one === tag)) return tag;
  return tags.find((one) => one.startsWith('"hmac-') && keys.fits(one.slice(1, -1), checksum));
};

/** Whether the caller asks for a look at the token itself (RFC 9111, section 5.2.1.4). */
const asksFresh = (cacheControl: string | undefined): boolean =>
  cacheControl?.split(",").some((one) => one.trim().toLowerCase() === "no-cache") ?? false;

/** What the list can't show as a secret. */
const problemsOf = ({
  invalid = [],
  problems = [],
}: Extract<ListResult, { kind: "listed" }>): ObjectProblem[] => [
  ...problems,
  ...invalid
    .filter((path) => !problems.some((one) => one.path === path))
    .map((path): ObjectProblem => ({ label: path, path, problem: "content" })),
];

/** Values as bodies have them. */
export const encodedValues = (data: ReadonlyMap<string, Uint8Array>): Record<string, string> =>
  Object.fromEntries([...data].map(([key, value]) => [key, Buffer.from(value).toString("base64")]));

const bytesOf = (data: ReadonlyMap<string, Uint8Array>): number =>
  [...data.values()].reduce((sum, { length }) => sum + length, 0);

/** Answers 503 with the reason and when to come back. */
export const sendUnavailable = (
  reply: FastifyReply,
  { code, message, retryAfterSeconds }: Unavailable,
): FastifyReply => sendError(reply, code, { message, retryAfterSeconds });

/** Adds the two routes. */
export const addSecretRoutes = (
  app: KeyswitchServer,
  { store, metrics, device }: SecretRouteOptions,
): void => {
  app.get(
    "/v1/secrets",
    {
      config: { scope: "read" },
      schema: { querystring: ListQuery, response: { 200: SecretListBody, "5xx": ErrorBody } },
    },
    async (request, reply) => {
      const { prefix = "" } = request.query;
      const audit = startAudit(request, metrics, "list");
      const result = await store.list(prefix, { signal: callerGone(reply) });
      if (result.kind === "unavailable") {
        audit({ outcome: result.code, prefix });
        return sendUnavailable(reply, result);
      }
      audit({ outcome: "listed", prefix, count: result.secrets.length });
      return { secrets: result.secrets, invalid: problemsOf(result) };
    },
  );

  app.get(
    "/v1/secrets/*",
    {
      config: { scope: "read" },
      schema: {
        params: SecretParams,
        headers: SecretHeaders,
        response: { 200: SecretBody, 304: Type.Void(), "4xx": ErrorBody, "5xx": ErrorBody },
      },
    },
    async (request, reply) => {
      const path = checkedPath(request.params["*"]);
      const audit = startAudit(request, metrics, "read");
      const fresh = asksFresh(request.headers["cache-control"]);
      const result = await store.read(path, { fresh, signal: callerGone(reply) });
      reply.header("cache-control", "no-store");
      if (result.kind === "unavailable") {
        audit({ outcome: result.code, path });
        return sendUnavailable(reply, result);
      }
      if (result.kind === "absent") {
        audit({ outcome: "absent", path });
        return sendError(reply, "SECRET_NOT_FOUND");
      }
      const { checksum, version, layout } = result;
      const named = namedTag(request.headers["if-none-match"], checksum, app.checksums());
      reply.header("etag", named ?? `"${checksum}"`);
      if (named !== undefined) {
        audit({ outcome: "unchanged", path, checksum });
        return reply.code(304).send();
      }
      if (!(await reply.roomFor(bytesOf(result.data)))) return sendError(reply, "TOO_BUSY");
      audit({ outcome: "found", path, checksum });
      const data = encodedValues(result.data);
      return { path, data, checksum, version, device, layout, ...shownMetadata(result.metadata) };
    },
  );
};
