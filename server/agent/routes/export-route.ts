// SPDX-License-Identifier: Apache-2.0
// Serves GET /v1/export: every secret of a list with its values, completely or not at all.
import { toBase64Map } from "../../../hooks/formats.ts";
import { ExportBody, type ExportedSecret } from "../../agent-api/bulk-schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import { ApiError } from "../../http/errors.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import { type SecretStore, type Unavailable, unavailable } from "../store.ts";
import { hangUpSignal, startWriteAudit } from "./audit.ts";
import { ListQuery, shownMetadata } from "./secret-routes.ts";
import { failureOf, sendFailure, type WriteRouteOptions, writeRoute } from "./write-route.ts";

/** The most that the values of one export may have together: all of it is in memory at once, three times over. */
export const EXPORT_BYTES = 8 * 1024 * 1024;
/** An answer names so many paths that can't be read. */
const MAX_NAMED = 20;

type Exported = { kind: "exported"; secrets: ExportedSecret[] };
type TooMuch = { kind: "too-much"; bytes: number };

const notWhole = (paths: readonly string[]): Unavailable => {
  const more = paths.length - MAX_NAMED;
  const named = paths.slice(0, MAX_NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
  return unavailable("STORAGE_INVALID", `the export would lack what can't be understood: ${named}`, 60);
};

/** The list, and a read of each. A secret that changes meanwhile is as it is when it is read; one that goes is left out. */
const readAll = async (
  store: SecretStore,
  prefix: string,
  signal: AbortSignal,
  roomFor: (bytes: number) => Promise<boolean>,
): Promise<Exported | TooMuch | Unavailable> => {
  const listed = await store.list(prefix, { signal });
  if (listed.kind === "unavailable") return listed;
  if (listed.invalid !== undefined && listed.invalid.length > 0) return notWhole(listed.invalid);
  const bytes = listed.secrets.reduce((total, secret) => total + secret.bytes, 0);
  if (bytes > EXPORT_BYTES) return { kind: "too-much", bytes };
  await roomFor(bytes);
  const secrets: ExportedSecret[] = [];
  for (const { path } of listed.secrets) {
    const read = await store.read(path, { signal });
    if (read.kind === "unavailable") return { ...read, message: `${path} can't be read: ${read.message}` };
    if (read.kind === "absent") continue;
    const { data, checksum, version, metadata } = read;
    secrets.push({ path, data: toBase64Map(data), ...shownMetadata(metadata), checksum, version });
  }
  return { kind: "exported", secrets };
};

/** Adds the route. */
export const addExportRoute = (app: KeyswitchServer, { store, metrics, device }: WriteRouteOptions): void => {
  app.get(
    "/v1/export",
    {
      ...writeRoute("export"),
      schema: {
        querystring: ListQuery,
        response: { 200: ExportBody, "4xx": ErrorBody, "5xx": ErrorBody },
      },
    },
    async (request, reply) => {
      const { prefix = "" } = request.query;
      const audit = startWriteAudit(request, metrics, "export");
      const all = await readAll(store, prefix, hangUpSignal(reply), (bytes) => reply.roomFor(bytes));
      if (all.kind === "unavailable") {
        audit({ prefix, outcome: all.code });
        return sendFailure(reply, failureOf(all));
      }
      if (all.kind === "too-much") {
        audit({ prefix, outcome: "INVALID_REQUEST" });
        const message = `selects ${all.bytes} bytes of values, more than the ${EXPORT_BYTES} of one export; narrow it`;
        throw new ApiError("INVALID_REQUEST", { details: [{ field: "querystring.prefix", message }] });
      }
      audit({ prefix, outcome: "exported", count: all.secrets.length });
      return { device, secrets: all.secrets };
    },
  );
};
