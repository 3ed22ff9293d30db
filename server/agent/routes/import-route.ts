// SPDX-License-Identifier: Apache-2.0
// Serves POST /v1/import: many secrets in one request. A malformed request is rejected as a whole, before anything is written.
import { checksum } from "../../../hooks/checksum.ts";
import { fromBase64Map } from "../../../hooks/formats.ts";
import {
  ImportBody,
  type ImportedSecret,
  type ItemResult,
  ItemResults,
} from "../../agent-api/bulk-schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import { ApiError, type ErrorDetail } from "../../http/errors.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import type { ChangeResult } from "../store.ts";
import { changeItems, type Item } from "./bulk-changes.ts";
import {
  encodedSizeFault,
  firstFaults,
  keyFaults,
  refuseFaults,
  refuseReserved,
  writePathFault,
} from "./secret-input.ts";
import { gatedWriteRoute, type WriteRouteOptions } from "./write-route.ts";

/** An import may have more than other requests: what one export gives fits. */
const BODY_BYTES = 16 * 1024 * 1024;

/** Secrets that are written in one go. */
const AT_ONCE = 50;

type IfExists = NonNullable<ImportBody["ifExists"]>;

/** Throws INVALID_REQUEST or SECRET_TOO_LARGE that names what can't be written, and what is there twice. */
const refuseMalformed = (secrets: readonly ImportedSecret[]): void => {
  const faults: ErrorDetail[] = [];
  const oversize: ErrorDetail[] = [];
  const places = new Map<string, string>();
  for (const [index, { path, data }] of secrets.entries()) {
    const place = `body.secrets[${index}]`;
    const fault = writePathFault(path);
    const earlier = places.get(path);
    if (fault !== undefined) faults.push({ field: `${place}.path`, message: fault });
    else if (earlier !== undefined) {
      faults.push({ field: `${place}.path`, message: `is the path of ${earlier} as well` });
    }
    places.set(path, place);
    faults.push(...keyFaults(`${place}.data`, data));
    const size = encodedSizeFault(data);
    if (size !== undefined) oversize.push({ field: `${place}.data`, message: size });
  }
  refuseFaults(faults);
  const [first] = oversize;
  if (first !== undefined) {
    throw new ApiError("SECRET_TOO_LARGE", {
      message: `${first.field}: ${first.message}`,
      details: firstFaults(oversize),
    });
  }
};

/** What an import makes of a path that holds a secret already and is not to be replaced. */
const existing = (
  { path, data }: ImportedSecret,
  ifExists: IfExists,
  end: ChangeResult,
): ItemResult | undefined => {
  if (end.kind !== "precondition" || end.before === null) return undefined;
  const { before } = end;
  if (before === checksum(fromBase64Map(data))) return { path, outcome: "unchanged", checksum: before };
  if (ifExists === "skip") return { path, outcome: "skipped", checksum: before };
  const message = "the path holds another secret already";
  return { path, outcome: "failed", code: "PRECONDITION_FAILED", message, checksum: before };
};

/** Adds the route. */
export const addImportRoute = (app: KeyswitchServer, { store, metrics, device }: WriteRouteOptions): void => {
  app.post(
    "/v1/import",
    {
      ...gatedWriteRoute("import"),
      bodyLimit: BODY_BYTES,
      schema: { body: ImportBody, response: { 200: ItemResults, "4xx": ErrorBody, "5xx": ErrorBody } },
    },
    async (request) => {
      const { secrets, ifExists = "skip" } = request.body;
      refuseMalformed(secrets);
      refuseReserved(secrets.map(({ path }) => path));
      const items = secrets.map((secret): Item => {
        const { path, data, metadata } = secret;
        return {
          path,
          keys: Object.keys(data),
          change: { type: "put", data: fromBase64Map(data), ...(metadata !== undefined && { metadata }) },
          precondition: ifExists === "replace" ? {} : { ifNoneMatch: "*" },
          result: (end) => existing(secret, ifExists, end),
        };
      });
      const options = { request, store, metrics, operation: "import", atOnce: AT_ONCE } as const;
      return { device, results: await changeItems(options, items) };
    },
  );
};
