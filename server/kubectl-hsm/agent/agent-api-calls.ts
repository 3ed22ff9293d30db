// SPDX-License-Identifier: Apache-2.0
// Provides the agent's routes as functions; an absent secret is a result, every other failure ends the command.
import { Type } from "@sinclair/typebox";
import { checksum } from "../../../hooks/checksum.ts";
import { fromBase64Map, toBase64Map } from "../../../hooks/formats.ts";
import { ExportBody, type ImportBody, ItemResults } from "../../agent-api/bulk-schema.ts";
import { secretRoute } from "../../agent-api/client.ts";
import { AdoptedBody, DivergedBody, ResolvedBody } from "../../agent-api/mirror-schema.ts";
import { RoleBody } from "../../agent-api/role-schema.ts";
import {
  DeleteBody,
  DeviceInfo,
  DeviceListBody,
  type Layout,
  type PatchBody,
  type PutBody,
  RepairResults,
  SecretBody,
  SecretListBody,
  type SecretMetadata,
  type SecretSummary,
  type StoredMetadata,
  WriteBody,
} from "../../agent-api/schema.ts";
import { compileSchema } from "../../http/validation.ts";
import { CommandFailed } from "../exit-codes.ts";
import { type AgentClient, type Answer, bodyOf } from "./answer.ts";

/** A secret as the agent gave it, its checksum verified. */
export type StoredSecret = {
  path: string;
  data: Map<string, Uint8Array>;
  checksum: string;
  version: number;
  device: string;
  layout?: Layout;
  metadata?: StoredMetadata;
};

export type AgentCalls = ReturnType<typeof agentCalls>;

const schemas = {
  secret: compileSchema(SecretBody),
  list: compileSchema(SecretListBody),
  info: compileSchema(DeviceInfo),
  devices: compileSchema(DeviceListBody),
  write: compileSchema(WriteBody),
  deletion: compileSchema(DeleteBody),
  exported: compileSchema(ExportBody),
  results: compileSchema(ItemResults),
  repaired: compileSchema(RepairResults),
  role: compileSchema(RoleBody),
  diverged: compileSchema(DivergedBody),
  resolved: compileSchema(ResolvedBody),
  adopted: compileSchema(AdoptedBody),
};

/** `values` as the API's bodies have them. */
export const toPutBody = (data: ReadonlyMap<string, Uint8Array>, metadata?: SecretMetadata): PutBody => ({
  data: toBase64Map(data),
  ...(metadata !== undefined && { metadata }),
});

export const toPatchBody = (
  data: ReadonlyMap<string, Uint8Array | null>,
  metadata?: SecretMetadata,
): PatchBody => ({
  data: toBase64Map(data),
  ...(metadata !== undefined && { metadata }),
});

const prefixQuery = (prefix: string): string =>
  prefix === "" ? "" : `?prefix=${encodeURIComponent(prefix)}`;

export const agentCalls = (client: AgentClient) => ({
  /** Undefined where the token holds nothing at the path. */
  async read(path: string, { fresh = false } = {}): Promise<StoredSecret | undefined> {
    const answer = await client.send({ method: "GET", path: secretRoute(path), fresh }, schemas.secret);
    if (!answer.ok && answer.code === "SECRET_NOT_FOUND") return undefined;
    return held(path, bodyOf(answer, path));
  },
  async list(prefix: string): Promise<SecretSummary[]> {
    return (await this.listAll(prefix)).secrets;
  },
  /** With what can't be shown as a secret. */
  async listAll(prefix: string): Promise<SecretListBody> {
    const path = `/v1/secrets${prefixQuery(prefix)}`;
    return bodyOf(await client.send({ method: "GET", path }, schemas.list), "the list");
  },
  async export(prefix: string): Promise<ExportBody> {
    const path = `/v1/export${prefixQuery(prefix)}`;
    return bodyOf(await client.send({ method: "GET", path }, schemas.exported), "the export");
  },
  async info(): Promise<DeviceInfo> {
    return bodyOf(await client.send({ method: "GET", path: "/v1/info" }, schemas.info), "the token");
  },
  async devices(): Promise<DeviceListBody> {
    return bodyOf(await client.send({ method: "GET", path: "/v1/devices" }, schemas.devices), "the devices");
  },
  async refresh(): Promise<DeviceInfo> {
    return bodyOf(await client.send({ method: "POST", path: "/v1/refresh" }, schemas.info), "the refresh");
  },
  put: (
    path: string,
    body: PutBody,
    condition: { ifMatch?: string; ifNoneMatch?: "*" },
  ): Promise<Answer<WriteBody>> =>
    client.send({ method: "PUT", path: secretRoute(path), body, ...condition }, schemas.write),
  patch: (path: string, body: PatchBody, condition: { ifMatch?: string } = {}): Promise<Answer<WriteBody>> =>
    client.send({ method: "PATCH", path: secretRoute(path), body, ...condition }, schemas.write),
  delete: (path: string, condition: { ifMatch?: string } = {}): Promise<Answer<DeleteBody>> =>
    client.send({ method: "DELETE", path: secretRoute(path), ...condition }, schemas.deletion),
  async deleteKey(
    path: string,
    key: string,
    condition: { ifMatch?: string } = {},
  ): Promise<Answer<WriteBody | DeleteBody>> {
    return client.send({ method: "DELETE", path: secretRoute(path, key), ...condition }, either);
  },
  import: (body: ImportBody): Promise<Answer<ItemResults>> =>
    client.send({ method: "POST", path: "/v1/import", body }, schemas.results),
  repack: (paths: string[], layout: Layout): Promise<Answer<ItemResults>> =>
    client.send({ method: "POST", path: "/v1/repack", body: { paths, layout } }, schemas.results),
  async repair(dryRun: boolean): Promise<RepairResults> {
    const asked = { method: "POST", path: "/v1/repair", body: { dryRun } } as const;
    return bodyOf(await client.send(asked, schemas.repaired), "the repair");
  },
  async role(): Promise<RoleBody> {
    return bodyOf(await client.send({ method: "GET", path: "/v1/role" }, schemas.role), "the role");
  },
  async diverged(): Promise<DivergedBody> {
    const asked = { method: "GET", path: "/v1/mirror/diverged" } as const;
    return bodyOf(await client.send(asked, schemas.diverged), "the diverged copies");
  },
  resolve: (path: string, keep: "here" | "there") =>
    client.send({ method: "POST", path: "/v1/mirror/resolve", body: { path, keep } }, schemas.resolved),
  adopt: (set: string) =>
    client.send({ method: "POST", path: "/v1/mirror/adopt", body: { set } }, schemas.adopted),
  setPin: (currentPin: string, newPin: string): Promise<Answer<undefined>> =>
    client.sendForNothing({ method: "POST", path: "/v1/pin", body: { currentPin, newPin } }),
  /** /healthz or /readyz: the status and what the answer says. */
  probe: (path: "/healthz" | "/readyz") => client.exchange({ method: "GET", path }),
});

const either = compileSchema(Type.Union([WriteBody, DeleteBody]));

/** Node decodes base64 leniently, so the checksum is what tells a damaged answer. */
const held = (path: string, body: SecretBody): StoredSecret => {
  const data = fromBase64Map(body.data);
  if (body.path !== path || checksum(data) !== body.checksum) {
    throw new CommandFailed("unreachable", `the agent's answer for ${path} does not fit its checksum`);
  }
  const { checksum: sum, version, device, layout, metadata } = body;
  return {
    path,
    data,
    checksum: sum,
    version,
    device,
    ...(layout !== undefined && { layout }),
    ...(metadata !== undefined && { metadata }),
  };
};
