// SPDX-License-Identifier: Apache-2.0
// Finds out when the switch in a Toggle's spec was last written, and whether a command did it: the API server's own record tells
// (metadata.managedFields), and the status keeps it.
import { hash } from "node:crypto";
import { ownsField } from "../metadata.ts";
import { secondsSinceEpoch, timeOf } from "../rfc3339.ts";
import type { Switched } from "./schedule-schema.ts";
import type { Toggle, ToggleStatus } from "./schema.ts";

/** Names the changes of the bot in metadata.managedFields. */
export const BOT_MANAGER = "keyswitch-bot";

/** The fields of a switch; a change of another field is none. */
const FIELDS = ["enabled", "until", "requestedAt"] as const;

/** The same for the same values alone. */
const digestOf = ({ spec }: Toggle): string =>
  hash("sha256", JSON.stringify(FIELDS.map((field) => spec[field] ?? null))).slice(0, 16);

interface Written {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly by: Switched["by"];
}

/** Of those who agree on a value the first has set it. A manager has one time, of the last field that it set. */
const writtenField = ({ metadata }: Toggle, field: string): Written | undefined =>
  (metadata.managedFields ?? [])
    .flatMap((entry): Written[] => {
      const at = secondsSinceEpoch(entry.time ?? "");
      const isSpec = (entry.subresource ?? "") === "" && ownsField(entry, ["f:spec", `f:${field}`]);
      return at === undefined || !isSpec
        ? []
        : [{ at, by: entry.manager === BOT_MANAGER ? "Command" : "Spec" }];
    })
    .toSorted((a, b) => a.at - b.at)[0];

/** Whether a command in chat set the switch that the spec holds. */
export const switcherOf = (parent: Toggle): Switched["by"] => writtenOf(parent)?.by ?? "Spec";

/** The field that was set last is the switch. */
const writtenOf = (parent: Toggle): Written | undefined =>
  FIELDS.flatMap((field) => writtenField(parent, field) ?? []).toSorted((a, b) => b.at - a.at)[0];

/**
 * The switch that the spec holds, and since when. What the status says of the same switch stays: a manager's time moves with
 * whatever it sets later. Without any record a switch that differs from the one in the status is as old as `now`, and one of which
 * the status says nothing has no time: it may be from before any edge.
 */
export const lastSwitchOf = (parent: Toggle, before: ToggleStatus, now: number): Switched | undefined => {
  const of = digestOf(parent);
  if (before.switched?.of === of) return before.switched;
  const requested = secondsSinceEpoch(parent.spec.requestedAt ?? "");
  const written = writtenOf(parent);
  const at = written?.at ?? requested ?? (before.switched === undefined ? undefined : now);
  return at === undefined ? undefined : { of, time: timeOf(Math.min(at, now)), by: written?.by ?? "Spec" };
};
