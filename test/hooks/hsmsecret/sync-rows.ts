// SPDX-License-Identifier: Apache-2.0
// Tables of the sync hook: each row is a situation, what is planned for it, and what must be answered.
import t, { type Test } from "tap";
import type { HookContext, Reading } from "../../../hooks/hsmsecret/index.ts";
import { previousStatus } from "../../../hooks/hsmsecret/status.ts";
import { plan, sync } from "./hooks.ts";
import { base64, context, found, type RequestParts, request, secret } from "./request.ts";

export const token = { password: "s3cr3t", user: "ada" };
export const other = { password: "n3w", user: "ada" };

/** The status after the token's content was synced at ten o'clock. */
export const inSync = (extra: RequestParts = {}) =>
  sync(request({ ...extra, owned: [secret(token)] }), context, found(token)).response.status ?? {};

/** A situation, what the hook is given, and what it must answer. */
export interface Row {
  readonly name: string;
  readonly given: RequestParts;
  readonly context?: HookContext;
  readonly reading?: Reading;
  readonly expect: {
    readonly reason: string;
    readonly syncStatus: string;
    readonly ready: "True" | "False";
    /** Names of the children of the answer; [] removes what there is. */
    readonly children: string[];
    /** Data of the first child. */
    readonly data?: Record<string, string>;
    readonly error?: RegExp;
    readonly resyncBelow?: number;
  };
}

/** Checks each row as a test of its own. */
export const checkRows = (rows: readonly Row[]): void => {
  for (const row of rows) t.test(row.name, async (t) => checkRow(t, row));
};

const checkRow = (t: Test, { given, context: where = context, reading, expect }: Row): void => {
  const input = request(given);
  t.equal(plan(input, where).read, reading !== undefined, "reads the token only where that is needed");
  const { response, outcome } = sync(input, where, reading);
  const again = sync(input, where, reading).response;
  t.equal(JSON.stringify(again), JSON.stringify(response), "same bytes again");
  t.equal(outcome, expect.reason);
  t.same(
    response.children.map((child) => (child.metadata as { name: string }).name),
    expect.children,
  );
  if (expect.data) t.same(response.children[0]?.data, base64(expect.data));
  if (expect.resyncBelow) t.ok((response.resyncAfterSeconds ?? Infinity) < expect.resyncBelow);
  checkStatus(t, previousStatus({ ...input.parent, status: response.status ?? {} }), expect);
};

const checkStatus = (t: Test, status: ReturnType<typeof previousStatus>, expect: Row["expect"]): void => {
  const { reason, ready, error } = expect;
  const condition = status.conditions?.find(({ type }) => type === "Ready");
  t.match(condition, { reason, status: ready });
  t.equal(status.syncStatus, expect.syncStatus);
  t.equal(status.observedGeneration, 1);
  if (error) t.match(status.lastError, error);
  else if (ready === "True" || reason === "Applying") t.equal(status.lastError, undefined);
  if (reason === "Applying") t.ok(status.conditions?.some(({ type }) => type === "Reconciling"));
};
