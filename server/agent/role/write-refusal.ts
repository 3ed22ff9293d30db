// SPDX-License-Identifier: Apache-2.0
// Says why an agent of a set does not take a write: it has no lease, it is a mirror, or no mirror would hold the write.
import type { RoleOrder } from "../../agent-api/role-schema.ts";
import type { ChangeResult } from "../store.ts";

/** Seconds after which the next order will have come. */
const RETRY_SECONDS = 5;

export type WriteRefusal =
  | { readonly kind: "no-lease" }
  | { readonly kind: "not-primary"; readonly order: RoleOrder }
  | { readonly kind: "no-mirror" };

/** The refusal as the end of a change that did not begin. */
export const notTaken = (refusal: WriteRefusal): Extract<ChangeResult, { kind: "not-taken" }> => {
  switch (refusal.kind) {
    case "no-lease":
      return {
        kind: "not-taken",
        code: "NO_LEASE",
        message:
          "this agent has no lease as primary of its set, or it is being handed over; nothing was written",
        retryAfterSeconds: RETRY_SECONDS,
      };
    case "no-mirror":
      return {
        kind: "not-taken",
        code: "NO_MIRROR",
        message:
          "no mirror is complete, and mirroring.acknowledge: Mirror takes no write that a mirror does not hold too; nothing was written",
        retryAfterSeconds: RETRY_SECONDS,
      };
    case "not-primary":
      return {
        kind: "not-taken",
        code: "NOT_PRIMARY",
        message: `this token is a mirror of ${refusal.order.set}; its primary is ${refusal.order.primary}, which takes the writes`,
      };
  }
};
