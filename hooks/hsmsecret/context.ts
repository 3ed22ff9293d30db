// SPDX-License-Identifier: Apache-2.0
// Defines the inputs of an HSMSecret hook beside the request: path policy, agents, checksum keys and the time.
import type { KeyedChecksums } from "../checksum.ts";
import type { PathPolicy } from "../path-policy.ts";

/** The path policy, the agents, the keys of checksums, and the time: one for a whole hook call. */
export interface HookContext {
  readonly policy: PathPolicy;
  /** Names of the agents that are configured. */
  readonly agents: readonly string[];
  readonly checksums: KeyedChecksums;
  /** RFC 3339. */
  readonly now: string;
}
