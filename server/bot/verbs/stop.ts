// SPDX-License-Identifier: Apache-2.0
// The command stop: off.
import type { TogglePatch } from "../../kubernetes/toggles.ts";
import type { SwitchCommand } from "../command.ts";
import { defaultReason } from "../state-text.ts";

type Stop = Extract<SwitchCommand, { verb: "stop" }>;

/** What `stop` changes. */
export const stopPatch = (
  { reason }: Stop,
  { sender, room }: { sender: string; room: string },
): TogglePatch => ({
  enabled: false,
  until: null,
  requestedBy: sender,
  reason: reason ?? defaultReason("stop", room),
});
