// SPDX-License-Identifier: Apache-2.0
// Defines spec.schedule of a Toggle, and what its status says of who decided and when that changes.
import { type Static, Type } from "@sinclair/typebox";
import { enumeration } from "../enumeration.ts";
import { TIME_PATTERN } from "../rfc3339.ts";
import { ENTRY_PATTERN, MAX_ENTRY } from "./schedule-entry.ts";
import { TIME_ZONE_PATTERN } from "./time-zone.ts";

/** Refused by a rule and not by `pattern`: the API server then says what it should be, and the hook which field it is. */
const refusedUnless = (pattern: string, message: string) => ({
  "x-kubernetes-validations": [{ rule: `self.matches('${pattern}')`, message }],
});

const entries = (description: string) =>
  Type.Optional(
    Type.Array(
      Type.String({
        minLength: 1,
        maxLength: MAX_ENTRY,
        ...refusedUnless(
          ENTRY_PATTERN,
          "must be a window, such as Mon-Fri 08:00-18:00, or a cron expression of five fields, such as 0 8 * * 1-5",
        ),
      }),
      { maxItems: 16, description },
    ),
  );

/** spec.schedule: when it is on and off by the clock. */
export const ScheduleSpec = Type.Array(
  Type.Object(
    {
      timeZone: Type.String({
        minLength: 1,
        maxLength: 64,
        description: "IANA name of the time zone whose clock and weekdays count, such as Europe/Berlin.",
        ...refusedUnless(TIME_ZONE_PATTERN, "must be the IANA name of a time zone, such as Europe/Berlin"),
      }),
      on: entries(
        "Windows such as Mon-Fri 08:00-18:00, on inside and off outside, and cron expressions that switch on.",
      ),
      off: entries("Windows that are off whatever else says on, and cron expressions that switch off."),
    },
    {
      "x-kubernetes-validations": [
        {
          rule: "(has(self.on) && size(self.on) > 0) || (has(self.off) && size(self.off) > 0)",
          message: "must have on or off",
        },
      ],
    },
  ),
  {
    minItems: 1,
    maxItems: 8,
    description:
      "When it is on and off. Whoever sets enabled overrides it until its next edge, or until spec.until. All elements count together.",
  },
);
export type ScheduleSpec = Static<typeof ScheduleSpec>;

/** Who or what can have decided whether a Toggle is on. */
export const DECIDERS = ["Schedule", "Command", "Until", "Spec"] as const;
export type DecidedBy = (typeof DECIDERS)[number];

/** status.nextChange: what the clock alone will change. */
export const NextChange = Type.Object(
  {
    time: Type.String({ crdFormat: "date-time", pattern: TIME_PATTERN }),
    to: enumeration(["On", "Off"], { description: "What it is from then on." }),
  },
  { description: "The next edge of the schedule that counts, or spec.until; left out where there is none." },
);
export type NextChange = Static<typeof NextChange>;

/** status.switched: the last switch in the spec of a Toggle with a schedule. */
export const Switched = Type.Object(
  {
    of: Type.String({ maxLength: 64, description: "Digest of enabled, until and requestedAt." }),
    time: Type.String({
      crdFormat: "date-time",
      pattern: TIME_PATTERN,
      description: "When they were written. It overrides the schedule until the first edge after this.",
    }),
    by: enumeration(["Command", "Spec"], { description: "By chat, or by whoever else writes the spec." }),
  },
  { description: "The last switch by hand, where there is a schedule." },
);
export type Switched = Static<typeof Switched>;
