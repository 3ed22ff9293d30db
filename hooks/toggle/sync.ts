// SPDX-License-Identifier: Apache-2.0
// Implements the sync hook: turns the observed Toggle and Deployment into the desired replicas, the status and the events.
import type { HookResult, SyncResponse } from "../metacontroller.ts";
import type { Assessment } from "./assessment.ts";
import { relisted } from "./child.ts";
import { decide } from "./decide.ts";
import { namesOf } from "./deployment.ts";
import { eventsOf } from "./events.ts";
import { isNamed } from "./observed.ts";
import { type ResolvedSpec, selectorText } from "./resolved-spec.ts";
import type { Phase } from "./schema.ts";
import { nextStatus } from "./status.ts";

export type SyncResult = HookResult<SyncResponse, Phase>;

/**
 * The longest wait for spec.until or an edge of the schedule, in seconds; Metacontroller counts in nanoseconds, and far dates
 * overflow. A schedule is looked at once a day anyway, for the rules of its time zone may change.
 */
const MAX_WAIT_SECONDS = 86_400;

/** What to say of the Deployments that the selector matches beside the named one. */
const othersText = ({ observed, spec }: Assessment): string | undefined => {
  const others = observed.others.filter((other) => !isNamed(other, spec));
  return others.length === 0
    ? undefined
    : `The selector ${selectorText(spec)} also matches ${namesOf(others)}, which this Toggle holds but does not switch. Narrow spec.selector.`;
};

const resyncAfter = (spec: ResolvedSpec, after: number | undefined): { resyncAfterSeconds?: number } => {
  const { secondsLeft = spec.hasSchedule ? MAX_WAIT_SECONDS : Infinity } = spec;
  const left = Math.max(1, Math.ceil(secondsLeft));
  const seconds = Math.min(left, after ?? Infinity);
  return seconds === Infinity ? {} : { resyncAfterSeconds: Math.min(seconds, MAX_WAIT_SECONDS) };
};

/** The sync hook. The same arguments give the same bytes. */
export const sync = (assessment: Assessment): SyncResult => {
  const { parent, spec, before, observed } = assessment;
  const { child, finding, after } = decide(assessment);
  const others = othersText(assessment);
  const { templateFault } = spec;
  const full = {
    ...finding,
    ...(others !== undefined && { others }),
    ...(templateFault !== undefined && { templateFault }),
  };
  return {
    response: {
      status: nextStatus(assessment, full),
      // Metacontroller deletes a child that an answer leaves out.
      children: [
        ...(child === undefined ? [] : [child]),
        ...observed.others.map((other) => relisted(parent, spec, other)),
      ],
      ...resyncAfter(spec, after),
    },
    events: eventsOf(before, finding),
    outcome: finding.phase,
  };
};
