// SPDX-License-Identifier: Apache-2.0
// The command start: on, for good or for a time.
import type { TogglePatch } from "../../kubernetes/toggles.ts";
import type { SwitchCommand } from "../command.ts";
import { defaultReason } from "../state-text.ts";

type Start = Extract<SwitchCommand, { verb: "start" }>;

/** RFC 3339, in whole seconds, not before `milliseconds` since the epoch. */
const rfc3339 = (milliseconds: number): string =>
  new Date(Math.ceil(milliseconds / 1000) * 1000).toISOString().replace(".000Z", "Z");

/** What `start` changes. Without a time it takes an earlier one out, so that the Toggle stays on. `now`: ms since the epoch. */
export const startPatch = (
  { seconds, reason }: Start,
  { sender, room, now }: { sender: string; room: string; now: number },
): TogglePatch => ({
  enabled: true,
  until: seconds === undefined ? null : rfc3339(now + seconds * 1000),
  requestedBy: sender,
  reason: reason ?? defaultReason("start", room),
});
