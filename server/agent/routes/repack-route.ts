// SPDX-License-Identifier: Apache-2.0
// Serves POST /v1/repack: migrates secrets from one storage layout to the other, their content unchanged.
import { ItemResults, RepackBody } from "../../agent-api/bulk-schema.ts";
import type { Layout } from "../../agent-api/schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import type { ErrorDetail } from "../../http/errors.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import { startWriteAudit } from "./audit.ts";
import { changeItems, type Item } from "./bulk-changes.ts";
import { refuseFaults, refuseReserved, writePathFault } from "./secret-input.ts";
import { failureOf, gatedWriteRoute, sendFailure, type WriteRouteOptions } from "./write-route.ts";

/** Throws INVALID_REQUEST that names the paths that are none, and those that are there twice. */
const refuseMalformed = (paths: readonly string[]): void => {
  const places = new Map<string, number>();
  const faults: ErrorDetail[] = [];
  for (const [index, path] of paths.entries()) {
    const fault = writePathFault(path);
    const earlier = places.get(path);
    const field = `body.paths[${index}]`;
    if (fault !== undefined) faults.push({ field, message: fault });
    else if (earlier !== undefined) faults.push({ field, message: `is the same as body.paths[${earlier}]` });
    places.set(path, index);
  }
  refuseFaults(faults);
};

/** Adds the route. */
export const addRepackRoute = (app: KeyswitchServer, { store, metrics, device }: WriteRouteOptions): void => {
  app.post(
    "/v1/repack",
    {
      ...gatedWriteRoute("repack"),
      schema: { body: RepackBody, response: { 200: ItemResults, "4xx": ErrorBody, "5xx": ErrorBody } },
    },
    async (request, reply) => {
      const { paths, layout: wanted } = request.body;
      refuseMalformed(paths);
      refuseReserved(paths);
      const audit = startWriteAudit(request, metrics, "repack");
      const own = wanted === undefined ? await store.info() : { kind: "info" as const, layout: wanted };
      if (own.kind === "unavailable") {
        audit({ outcome: own.code });
        return sendFailure(reply, failureOf(own));
      }
      const layout: Layout = own.layout;
      const items = paths.map(
        (path): Item => ({ path, change: { type: "repack", layout }, precondition: {} }),
      );
      return { device, results: await changeItems({ request, store, metrics, operation: "repack" }, items) };
    },
  );
};
