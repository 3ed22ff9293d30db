// SPDX-License-Identifier: Apache-2.0
// Makes the changes of one bulk request, each on its own and in order, with a result and an audit line for each.
import type { FastifyRequest } from "fastify";
import { errors } from "../../../hooks/error-codes.ts";
import type { ItemResult } from "../../agent-api/bulk-schema.ts";
import type { AgentMetrics } from "../metrics.ts";
import { type ChangeResult, type SecretStore, unavailable } from "../store.ts";
import { startWriteAudit, type WriteOperation } from "./audit.ts";
import { auditedChange, failureOf } from "./write-route.ts";

/** One of the changes. */
export type Item = {
  path: string;
  keys?: string[];
  change(): Promise<ChangeResult>;
  /** What the end of the change is called, where that is not what it is called elsewhere. */
  result?(end: ChangeResult): ItemResult | undefined;
};

export type ItemsOptions = {
  request: FastifyRequest;
  store: SecretStore;
  metrics: AgentMetrics;
  operation: WriteOperation;
};

/** What an item's change came to. */
const resultOf = (path: string, end: ChangeResult): ItemResult => {
  if (end.kind === "written") return { path, outcome: end.outcome, checksum: end.checksum };
  if (end.kind === "deleted") throw new TypeError("no item deletes");
  const { code, message = errors[code].text } = failureOf(end);
  return { path, outcome: "failed", code, message };
};

/**
 * Makes the changes. One that fails stops no other, except that once the token can't be read the rest is not tried: each
 * could take as long as the deadline.
 */
export const changeItems = async (
  { request, store, metrics, operation }: ItemsOptions,
  items: readonly Item[],
): Promise<ItemResult[]> => {
  const results: ItemResult[] = [];
  let failed = false;
  for (const { path, keys, change, result } of items) {
    const audit = startWriteAudit(request, metrics, operation);
    const health = store.health();
    const end: ChangeResult =
      failed && !health.ready ? unavailable(health.code, `not tried: ${health.message}`) : await change();
    failed = end.kind === "unavailable";
    const told = result?.(end) ?? resultOf(path, end);
    results.push(told);
    const outcome = told.code ?? told.outcome;
    audit({ path, ...(keys !== undefined && { keys }), ...auditedChange(end), outcome });
  }
  return results;
};
