// SPDX-License-Identifier: Apache-2.0
// Implements the finalize hook: the agents go, and the HSMDevice after them. What the tokens hold stays, as does the PIN's Secret.

import type { FinalizeResponse, HookResult } from "../metacontroller.ts";
import type { Assessment } from "./assessment.ts";

export type FinalizeResult = HookResult<FinalizeResponse, "Finalized" | "Removing">;

/** The finalize hook. Metacontroller deletes each child, since the answer lists none. */
export const finalize = ({ observed }: Assessment): FinalizeResult => {
  const finalized = observed.children.length === 0;
  return {
    response: { finalized, children: [] },
    events: [],
    outcome: finalized ? "Finalized" : "Removing",
  };
};
