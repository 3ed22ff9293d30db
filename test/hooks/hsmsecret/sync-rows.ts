// SPDX-License-Identifier: Apache-2.0
// Runs tables of the sync hook: each row is a situation, its plan, and the expected response.
import t from "tap";
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
  for (const row of rows) {
    t.test(row.name, async (t) => {
      const input = request(row.given);
      const where = row.context ?? context;
      t.equal(
        plan(input, where).read,
        row.reading !== undefined,
        "reads the token only where that is needed",
      );
      const { response, outcome } = sync(input, where, row.reading);
      t.equal(
        JSON.stringify(sync(input, where, row.reading).response),
        JSON.stringify(response),
        "same bytes again",
      );
      const status = previousStatus({ ...input.parent, status: response.status ?? {} });
      const ready = status.conditions?.find(({ type }) => type === "Ready");
      const expected = row.expect;
      t.equal(outcome, expected.reason);
      t.match(ready, { reason: expected.reason, status: expected.ready });
      t.equal(status.syncStatus, expected.syncStatus);
      t.same(
        response.children.map((child) => (child.metadata as { name: string }).name),
        expected.children,
      );
      if (expected.data) t.same(response.children[0]?.data, base64(expected.data));
      if (expected.error) t.match(status.lastError, expected.error);
      else if (expected.ready === "True" || expected.reason === "Applying")
        t.equal(status.lastError, undefined);
      if (expected.resyncBelow) t.ok((response.resyncAfterSeconds ?? Infinity) < expected.resyncBelow);
      t.equal(status.observedGeneration, 1);
      if (expected.reason === "Applying") t.ok(status.conditions?.some(({ type }) => type === "Reconciling"));
    });
  }
};
