// SPDX-License-Identifier: Apache-2.0
// Writes the texts of news of a Toggle: its time is about to be over or is, and what others have changed.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import { shorten } from "../display-text.ts";
import { lastSwitchOf } from "../kubernetes/last-switch.ts";
import { isOn, stateText, timeAhead, untilOf, untilText, whyText } from "./state-text.ts";

const MAX_NAME_SHOWN = 200;

/** `1 d 2 h 30 min` */
const lengthText = (seconds: number): string => {
  const minutes = Math.max(1, Math.round(seconds / 60));
  const parts = [
    [Math.floor(minutes / 1440), "d"],
    [Math.floor(minutes / 60) % 24, "h"],
    [minutes % 60, "min"],
  ] as const;
  return parts.flatMap(([count, unit]) => (count === 0 ? [] : [`${count} ${unit}`])).join(" ");
};

/** Before the end of its time. `seconds`: for how much longer it is on where somebody reacts. */
export const expiringText = (toggle: Toggle, seconds: number, now: number): string => {
  const { name } = toggle.metadata;
  const goesOff = `${name} goes off ${timeAhead(untilOf(toggle) ?? now, now)}.`;
  return `${goesOff} React with 👍 to this to keep it on for another ${lengthText(seconds)}.`;
};

/** At the end of its time. */
export const expiredText = (toggle: Toggle, now: number): string =>
  toggle.spec.schedule === undefined
    ? stateText(toggle, now)
    : `The time of ${toggle.metadata.name} is over. ${stateText(toggle, now)}`;

/** What the spec says, which was changed by other means than chat. `was`: whether it was on before. */
export const changedText = (toggle: Toggle, was: boolean, now: number): string => {
  const { name } = toggle.metadata;
  const last = lastSwitchOf(toggle);
  const by = last?.kind === "manager" ? ` with ${shorten(last.manager, MAX_NAME_SHOWN)}` : "";
  const on = isOn(toggle, now);
  return on === was
    ? `${name} was changed${by}${whyText(toggle)}. ${stateText(toggle, now)}`
    : `${name} was switched ${on ? "on" : "off"}${by}${whyText(toggle)}.${untilText(toggle, now)}`;
};

/** What its schedule has switched. */
export const scheduledText = (toggle: Toggle, now: number): string =>
  `${toggle.metadata.name} was switched ${isOn(toggle, now) ? "on" : "off"} by its schedule.${untilText(toggle, now)}`;

/** What `user` has switched in another room. */
export const elsewhereText = (toggle: Toggle, user: string, now: number): string => {
  const { name } = toggle.metadata;
  return `${name} was switched ${isOn(toggle, now) ? "on" : "off"} by ${user} in another room.${untilText(toggle, now)}`;
};
