// SPDX-License-Identifier: Apache-2.0
// Makes the changes of one bulk request, each on its own and in order, with a result and an audit line for each.
import type { FastifyRequest } from "fastify";
import { errors } from "../../../hooks/error-codes.ts";
import type { ItemResult } from "../../agent-api/bulk-schema.ts";
import type { AgentMetrics } from "../metrics.ts";
import { type ChangeResult, type Health, type PathChange, type SecretStore, unavailable } from "../store.ts";
import { startWriteAudit, type WriteOperation } from "./audit.ts";
import { auditedChange, failureOf } from "./write-route.ts";

/** One of the changes. */
export type Item = PathChange & {
  keys?: string[];
  /** What the end of the change is called, where that is not what it is called elsewhere. */
  result?(end: ChangeResult): ItemResult | undefined;
};

export type ItemsOptions = {
  request: FastifyRequest;
  store: SecretStore;
  metrics: AgentMetrics;
  operation: WriteOperation;
  /** How many are made in one go, where the store can; 1 unless given. Who reads the path of one waits for them all. */
  atOnce?: number;
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
  { request, store, metrics, operation, atOnce = 1 }: ItemsOptions,
  items: readonly Item[],
): Promise<ItemResult[]> => {
  const results: ItemResult[] = [];
  let failed: boolean = false;
  for (let at = 0; at < items.length; at += atOnce) {
    const some = items.slice(at, at + atOnce);
    const audits = some.map(() => startWriteAudit(request, metrics, operation));
    const health = store.health();
    const isOver = failed && !health.ready;
    const ends: ChangeResult[] = isOver ? some.map(() => notTried(health)) : await changeSome(store, some);
    for (const [index, { path, keys, result }] of some.entries()) {
      const end: ChangeResult = ends[index] ?? { kind: "uncertain", message: "nothing is known of it" };
      failed = end.kind === "unavailable";
      const told = result?.(end) ?? resultOf(path, end);
      results.push(told);
      const outcome = told.code ?? told.outcome;
      audits[index]?.({ path, ...(keys !== undefined && { keys }), ...auditedChange(end), outcome });
    }
  }
  return results;
};

/** Without such a way of the store one after another, of which the rest is not tried any more than that of the request. */
const changeSome = async (store: SecretStore, items: readonly Item[]): Promise<ChangeResult[]> => {
  if (items.length > 1 && store.changeAll !== undefined) return store.changeAll(items);
  const ends: ChangeResult[] = [];
  for (const { path, change, precondition } of items) {
    const { kind } = ends.at(-1) ?? {};
    const health = store.health();
    const isOver = kind === "unavailable" && !health.ready;
    ends.push(isOver ? notTried(health) : await store.change(path, change, precondition));
  }
  return ends;
};

const notTried = ({ code, message }: Extract<Health, { ready: false }>): ChangeResult =>
  unavailable(code, `not tried: ${message}`);
