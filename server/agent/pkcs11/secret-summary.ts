// SPDX-License-Identifier: Apache-2.0
// Builds a list's row about a secret, without a value.
import type { SecretSummary } from "../../agent-api/schema.ts";
import type { Secret } from "../store.ts";

/** The row of the secret at `path`. */
export const summaryOf = (path: string, { checksum, version, data, layout }: Secret): SecretSummary => {
  const bytes = [...data.values()].reduce((sum, value) => sum + value.length, 0);
  return { path, checksum, keys: [...data.keys()].sort(), bytes, version, layout };
};
