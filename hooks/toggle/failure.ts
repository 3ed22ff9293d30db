// SPDX-License-Identifier: Apache-2.0
// Says shortly why a Deployment's controller can't get further, from the conditions that it set.
import { shorten } from "../display-text.ts";
import type { Deployment } from "./deployment.ts";

/** The longest text of the Deployment's controller that a message repeats. */
const MAX_QUOTE = 400;

/** The name in it is of a pod that was never there, and another one at each try. */
const REFUSED_POD = /^pods? "[^"]*" is forbidden: /;
/** What a quota is used for moves with everything in the namespace. */
const QUOTA_USED = /, used: .*?(?=, limited: |$)/;

/** The refusal of an API server without what is another at each try. */
const steady = (message: string): string => {
  const refusal = message.replace(REFUSED_POD, "");
  return refusal.startsWith("exceeded quota: ") ? refusal.replace(QUOTA_USED, "") : refusal;
};

/**
 * Why `deployment` can't get further, by the first of `types` that says so; undefined where nothing does. Paused is
 * Progressing=Unknown, and no failure.
 */
export const failureOf = (
  { status }: Deployment,
  ...types: readonly ("ReplicaFailure" | "Progressing")[]
): string | undefined => {
  const failed = types.flatMap((type) => {
    const bad = type === "Progressing" ? "False" : "True";
    return status?.conditions?.find((one) => one.type === type && one.status === bad) ?? [];
  })[0];
  if (failed === undefined) return undefined;
  const { type, reason = type, message } = failed;
  return shorten(message === undefined ? reason : `${reason}: ${steady(message)}`, MAX_QUOTE);
};
