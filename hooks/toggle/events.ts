// SPDX-License-Identifier: Apache-2.0
// Builds the Kubernetes events of a Toggle hook.
import type { HookEvent } from "../metacontroller.ts";
import { conditionOf } from "../metadata.ts";
import type { Phase, ToggleStatus } from "./schema.ts";
import type { Finding } from "./status.ts";

/** Phases that tell of something wrong; their events repeat when the words change. */
const WRONG: ReadonlySet<Phase> = new Set(["Degraded", "Missing", "Conflict", "Blocked"]);

/** The events of a sync: one where the phase changed, none where nothing happened. */
export const eventsOf = (before: ToggleStatus, { phase, message, stuck }: Finding): HookEvent[] => {
  const last = conditionOf(before.conditions, "Ready");
  if (before.phase === phase && (!stuck || last?.message === message)) return [];
  return [{ type: WRONG.has(phase) ? "Warning" : "Normal", reason: phase, message }];
};
