// SPDX-License-Identifier: Apache-2.0
// Serves GET /v1/secrets and GET /v1/secrets/{path}: the token's content, with entity tags.
import { Type } from "@sinclair/typebox";
import type { FastifyReply } from "fastify";
import type { KeyedChecksums } from "../../../hooks/checksum.ts";
import { MAX_PATH_BYTES, toBase64Map } from "../../../hooks/formats.ts";
import {
  type ObjectProblem,
  SecretBody,
  SecretListBody,
  type StoredMetadata,
} from "../../agent-api/schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import { sendError } from "../../http/errors.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import { makeWithinBudget } from "../../http/limits.ts";
import { tagsOf } from "../../http/validation.ts";
import { isOwnLabel } from "../apply-change.ts";
import type { AgentMetrics } from "../metrics.ts";
import { type Stamp, stampOf } from "../storage/stamp.ts";
import type { ListResult, SecretStore, Unavailable } from "../store.ts";
import { hangUpSignal, startAudit } from "./audit.ts";
import { checkedPath } from "./secret-input.ts";

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
  const tags = tagsOf(header);
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

/** The sum of the lengths of values. */
export const valueBytes = (data: ReadonlyMap<string, Uint8Array>): number =>
  [...data.values()].reduce((sum, { length }) => sum + length, 0);

/** Paths whose last size is remembered. */
const SIZES = 1000;

/** How large the secrets at each path were when they were last read. */
const createSizes = () => {
  const sizes = new Map<string, { checksum: string; bytes: number }>();
  return {
    /** What an answer will take, as far as is known: nothing where the caller has the secret that was there. */
    expected: (path: string, isKnown: (checksum: string) => boolean): number => {
      const last = sizes.get(path);
      return last === undefined || isKnown(last.checksum) ? 0 : last.bytes;
    },
    remember: (path: string, checksum: string, bytes: number): void => {
      const [oldest] = sizes.keys();
      if (oldest !== undefined && sizes.size >= SIZES) sizes.delete(oldest);
      sizes.set(path, { checksum, bytes });
    },
  };
};

/** What a row of a list takes beside its path and keys. */
const ROW_BYTES = 200;

const listBytes = (result: ListResult): number =>
  result.kind === "unavailable"
    ? 0
    : result.secrets.reduce((sum, { path, keys }) => sum + ROW_BYTES + path.length + keys.join().length, 0);

/** Answers 503 with the reason and when to come back. */
export const sendUnavailable = (
  reply: FastifyReply,
  { code, message, retryAfterSeconds }: Unavailable,
): FastifyReply => sendError(reply, code, { message, retryAfterSeconds });

/** What was read: nothing from the token, or (undefined) nothing for which there is room. */
const sendNothingRead = (
  reply: FastifyReply,
  result: Unavailable | undefined,
  audit: (outcome: Unavailable["code"] | "TOO_BUSY") => void,
): FastifyReply => {
  audit(result?.code ?? "TOO_BUSY");
  return result === undefined ? sendError(reply, "TOO_BUSY") : sendUnavailable(reply, result);
};

/** Adds the two routes. */
export const addSecretRoutes = (app: KeyswitchServer, options: SecretRouteOptions): void => {
  addListRoute(app, options);
  addReadRoute(app, options);
};

const addListRoute = (app: KeyswitchServer, { store, metrics }: SecretRouteOptions): void => {
  app.get(
    "/v1/secrets",
    {
      config: { scope: "read" },
      schema: {
        querystring: ListQuery,
        response: { 200: SecretListBody, "4xx": ErrorBody, "5xx": ErrorBody },
      },
    },
    async (request, reply) => {
      const { prefix = "" } = request.query;
      const audit = startAudit(request, metrics, "list");
      const signal = hangUpSignal(reply);
      const result = await makeWithinBudget(reply, 0, () => store.list(prefix, { signal }), listBytes);
      if (result === undefined || result.kind === "unavailable") {
        return sendNothingRead(reply, result, (outcome) => audit({ outcome, prefix }));
      }
      audit({ outcome: "listed", prefix, count: result.secrets.length });
      return { secrets: result.secrets, invalid: problemsOf(result) };
    },
  );
};

const ReadSchema = {
  params: SecretParams,
  headers: SecretHeaders,
  response: { 200: SecretBody, 304: Type.Void(), "4xx": ErrorBody, "5xx": ErrorBody },
};

const addReadRoute = (app: KeyswitchServer, { store, metrics, device }: SecretRouteOptions): void => {
  const sizes = createSizes();
  app.get("/v1/secrets/*", { config: { scope: "read" }, schema: ReadSchema }, async (request, reply) => {
    const path = checkedPath(request);
    const audit = startAudit(request, metrics, "read");
    const fresh = asksFresh(request.headers["cache-control"]);
    const signal = hangUpSignal(reply);
    const keys = app.checksums();
    const tagOf = (checksum: string) => namedTag(request.headers["if-none-match"], checksum, keys);
    const isKnown = (checksum: string) => tagOf(checksum) !== undefined;
    const result = await makeWithinBudget(
      reply,
      sizes.expected(path, isKnown),
      (again) => store.read(path, { fresh: fresh && !again, signal }),
      (read) => {
        if (read.kind !== "found") return 0;
        const bytes = valueBytes(read.data);
        sizes.remember(path, read.checksum, bytes);
        return isKnown(read.checksum) ? 0 : bytes;
      },
    );
    reply.header("cache-control", "no-store");
    if (result === undefined || result.kind === "unavailable") {
      return sendNothingRead(reply, result, (outcome) => audit({ outcome, path }));
    }
    if (result.kind === "absent") {
      audit({ outcome: "absent", path });
      return sendError(reply, "SECRET_NOT_FOUND");
    }
    const { checksum, version, layout } = result;
    const named = tagOf(checksum);
    reply.header("etag", named ?? `"${checksum}"`);
    if (named !== undefined) {
      audit({ outcome: "unchanged", path, checksum });
      return reply.code(304).send();
    }
    audit({ outcome: "found", path, checksum });
    const data = toBase64Map(result.data);
    const { metadata } = result;
    return {
      ...{ path, data, checksum, version, device, layout },
      ...shownStamp(stampOf(version, metadata)),
      ...shownMetadata(metadata),
    };
  });
};

/** What a stamp says beside the version, as fields to spread into an answer; none for a secret of no set. */
const shownStamp = ({ epoch, history }: Stamp): Pick<SecretBody, "epoch" | "history"> => ({
  ...(epoch > 0 && { epoch }),
  ...(history.length > 0 && { history: history.map(([before, last]): [number, number] => [before, last]) }),
});

/** The metadata as a field to spread into an answer; none where there is nothing to show. */
export const shownMetadata = (stored: StoredMetadata): { metadata?: StoredMetadata } => {
  const { description, labels, format, dataType, createdAt, source } = stored;
  const shownLabels = Object.entries(labels ?? {}).filter(([name]) => !isOwnLabel(name));
  const metadata = {
    ...(description !== undefined && { description }),
    ...(shownLabels.length > 0 && { labels: Object.fromEntries(shownLabels) }),
    ...(format !== undefined && { format }),
    ...(dataType !== undefined && { dataType }),
    ...(createdAt !== undefined && { createdAt }),
    ...(source !== undefined && { source }),
  };
  return Object.keys(metadata).length > 0 ? { metadata } : {};
};
