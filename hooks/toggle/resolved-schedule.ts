// SPDX-License-Identifier: Apache-2.0
// Turns spec.schedule into a Schedule, or says which of its fields can't be used; then none of it is.

import { Schedule } from "./schedule.ts";
import { type Entry, parseEntry } from "./schedule-entry.ts";
import type { ScheduleSpec } from "./schedule-schema.ts";
import { type TimeZone, timeZoneOf } from "./time-zone.ts";

/** What spec.schedule comes to; `fault` names the field, and says what to do. */
export type ResolvedSchedule =
  | { readonly schedule: Schedule; readonly fault?: undefined }
  | { readonly schedule?: undefined; readonly fault: string };

interface ZonedEntry {
  readonly to: "on" | "off";
  readonly zone: TimeZone;
  readonly entry: Entry;
}

/** The longest part of a value that a message repeats. */
const MAX_QUOTE = 64;
const quoted = (text: string): string => JSON.stringify(text.slice(0, MAX_QUOTE));

/** The entries of one element, or a text where it is wrong. */
const entriesOf = ({ timeZone, ...lists }: ScheduleSpec[number], where: string): ZonedEntry[] | string => {
  const zone = timeZoneOf(timeZone);
  if (zone === undefined) {
    return `${where}.timeZone: ${quoted(timeZone)} is no time zone that the webhook knows. Write an IANA name such as Europe/Berlin.`;
  }
  const entries: ZonedEntry[] = [];
  for (const to of ["on", "off"] as const) {
    for (const [index, text] of (lists[to] ?? []).entries()) {
      const entry = parseEntry(text);
      if (entry.kind === "fault") return `${where}.${to}[${index}]: ${quoted(text)} ${entry.fault}.`;
      entries.push({ to, zone, entry });
    }
  }
  return entries.length === 0 ? `${where} has neither on nor off. Give it one, or take it out.` : entries;
};

const ofKind = <K extends Entry["kind"]>(entries: readonly ZonedEntry[], kind: K, to: "on" | "off") =>
  entries.flatMap(({ to: which, zone, entry }) =>
    which === to && entry.kind === kind ? [{ zone, entry: entry as Extract<Entry, { kind: K }> }] : [],
  );

const parse = (spec: ScheduleSpec): ResolvedSchedule => {
  const entries: ZonedEntry[] = [];
  for (const [index, element] of spec.entries()) {
    const found = entriesOf(element, `spec.schedule[${index}]`);
    if (typeof found === "string") return { fault: found };
    entries.push(...found);
  }
  const both = <K extends Entry["kind"]>(kind: K) => ({
    on: ofKind(entries, kind, "on"),
    off: ofKind(entries, kind, "off"),
  });
  return { schedule: new Schedule({ windows: both("window"), crons: both("cron") }) };
};

/** What the same text came to; a Schedule keeps windows that it would otherwise look for at each sync. */
const known = new Map<string, ResolvedSchedule>();
const MAX_KNOWN = 256;

/** Reads spec.schedule. */
export const resolveSchedule = (spec: ScheduleSpec): ResolvedSchedule => {
  const text = JSON.stringify(spec);
  const found = known.get(text) ?? parse(spec);
  if (!known.has(text)) {
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(text, found);
  }
  return found;
};
