// SPDX-License-Identifier: Apache-2.0
// Serves PUT, PATCH and DELETE of /v1/secrets/{path}: one change of one secret, under the caller's preconditions.
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { Type } from "@sinclair/typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import { fromBase64Map } from "../../../hooks/formats.ts";
import type { Quota } from "../../../hooks/quota.ts";
import { DeleteBody, PatchBody, PutBody, WriteBody } from "../../agent-api/schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import { parseJsonBodies } from "../../http/validation.ts";
import type { QuotaEnforcer } from "../quota.ts";
import type { Change, Precondition } from "../store.ts";
import { startWriteAudit, type WriteOperation } from "./audit.ts";
import {
  ConditionHeaders,
  checkedWritePath,
  keyFault,
  keyFaults,
  labelFaults,
  precondition,
  refuseFaults,
  refuseOversize,
} from "./secret-input.ts";
import {
  auditedChange,
  failureOf,
  gatedWriteRoute,
  sendFailure,
  type WriteRouteOptions,
} from "./write-route.ts";

export type SecretWriteOptions = WriteRouteOptions & {
  quotas: QuotaEnforcer;
};

const SecretParams = Type.Object({ "*": Type.String() });
const NoQuery = Type.Object({}, { additionalProperties: false });
const DeleteQuery = Type.Object({ key: Type.Optional(Type.String()) }, { additionalProperties: false });
const failures = { "4xx": ErrorBody, "5xx": ErrorBody };
const SECRET = "/v1/secrets/*";
const MERGE_PATCH = "application/merge-patch+json";

const deleteOperation = ({ query }: FastifyRequest): WriteOperation =>
  typeof query === "object" && query !== null && "key" in query ? "delete-key" : "delete";

/** Adds the three routes. */
export const addWriteRoutes = (app: KeyswitchServer, options: SecretWriteOptions): void => {
  addPutRoute(app, options);
  addPatchRoute(app, options);
  addDeleteRoute(app, options);
};

type Asked = {
  request: FastifyRequest;
  reply: FastifyReply;
  condition: Precondition;
  path: string;
  change: Change & { type: WriteOperation };
  keys: string[];
  quota?: Quota | undefined;
};

/** Makes the change, whether or not the caller waits for it, tells the audit log how it ended, and answers. */
const carryOut = async (
  { store, quotas, metrics, device }: SecretWriteOptions,
  { request, reply, condition, path, change, keys, quota }: Asked,
): Promise<FastifyReply> => {
  const audit = startWriteAudit(request, metrics, change.type);
  const result = await (quota === undefined
    ? store.change(path, change, condition)
    : quotas.change(path, change, condition, quota));
  audit({ path, ...(keys.length > 0 && { keys }), ...auditedChange(result) });
  // The bodies are checked against the route's schema when they leave.
  if (result.kind === "deleted") {
    return reply.send({ path, outcome: "deleted", checksum: result.before, device });
  }
  if (result.kind !== "written") return sendFailure(reply, failureOf(result));
  const { outcome, checksum, version } = result;
  reply.code(outcome === "created" ? 201 : 200).header("etag", `"${checksum}"`);
  return reply.send({ path, outcome, checksum, keys: result.keys, version, device });
};

const addPutRoute = (app: KeyswitchServer, options: SecretWriteOptions): void => {
  app.put(
    SECRET,
    {
      ...gatedWriteRoute("put"),
      schema: {
        params: SecretParams,
        headers: ConditionHeaders,
        querystring: NoQuery,
        body: PutBody,
        response: { 200: WriteBody, 201: WriteBody, ...failures },
      },
    },
    async (request, reply) => {
      const path = checkedWritePath(request);
      const { data, metadata, quota } = request.body;
      refuseFaults([...keyFaults("body.data", data), ...labelFaults("body.metadata", metadata)]);
      refuseOversize(data);
      const values = fromBase64Map(data);
      const change = { type: "put" as const, data: values, ...(metadata !== undefined && { metadata }) };
      const condition = precondition(request);
      return carryOut(options, { request, reply, condition, path, change, keys: [...values.keys()], quota });
    },
  );
};

const addPatchRoute = (app: KeyswitchServer, options: SecretWriteOptions): void => {
  // A context of its own, because the media type is PATCH's alone.
  app.register(async (context) => {
    const patches = context.withTypeProvider<TypeBoxTypeProvider>();
    parseJsonBodies(patches, MERGE_PATCH);
    patches.patch(
      SECRET,
      {
        ...gatedWriteRoute("patch"),
        schema: {
          params: SecretParams,
          headers: ConditionHeaders,
          querystring: NoQuery,
          body: PatchBody,
          response: { 200: WriteBody, ...failures },
        },
      },
      async (request, reply) => {
        const path = checkedWritePath(request);
        const { data = {}, metadata, quota } = request.body;
        refuseFaults([...keyFaults("body.data", data), ...labelFaults("body.metadata", metadata)]);
        refuseOversize(data);
        const values = fromBase64Map(data);
        const change = { type: "patch" as const, data: values, ...(metadata !== undefined && { metadata }) };
        const condition = precondition(request);
        return carryOut(options, {
          request,
          reply,
          condition,
          path,
          change,
          keys: [...values.keys()],
          quota,
        });
      },
    );
  });
};

const addDeleteRoute = (app: KeyswitchServer, options: SecretWriteOptions): void => {
  app.delete(
    SECRET,
    {
      ...gatedWriteRoute(deleteOperation),
      schema: {
        params: SecretParams,
        headers: ConditionHeaders,
        querystring: DeleteQuery,
        response: { 200: Type.Union([WriteBody, DeleteBody]), ...failures },
      },
    },
    async (request, reply) => {
      const path = checkedWritePath(request);
      const { key } = request.query;
      if (key !== undefined) refuseFaults(keyFault("querystring.key", key));
      const change = key === undefined ? { type: "delete" as const } : { type: "delete-key" as const, key };
      const keys = key === undefined ? [] : [key];
      const condition = precondition(request);
      return carryOut(options, { request, reply, condition, path, change, keys });
    },
  );
};
