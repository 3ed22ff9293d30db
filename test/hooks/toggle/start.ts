// SPDX-License-Identifier: Apache-2.0
// Lets a Toggle demo/web be synced again and again at given times, each time with the status that the sync before left.
import { timeOf } from "../../../hooks/rfc3339.ts";
import type { SyncResult } from "../../../hooks/toggle/index.ts";
import type { ToggleStatus } from "../../../hooks/toggle/schema.ts";
import { sync } from "./hooks.ts";
import { context, type RequestParts, request } from "./request.ts";

/** 2026-11-22T10:00:00Z in seconds since the epoch. */
const BEGIN = 1_795_341_600;

/** The time `seconds` after 10:00:00, as RFC 3339. */
export const at = (seconds: number): string => timeOf(BEGIN + seconds);

export class SyncedToggle {
  status: Record<string, unknown>;
  /** Statuses that were other bytes than the one before. */
  writes = 0;
  readonly phases: string[] = [];
  readonly events: SyncResult["events"][number][] = [];
  readonly problems = new Set<string | undefined>();
  readonly #startTimeoutSeconds: number;

  constructor(status: Record<string, unknown> = {}, startTimeoutSeconds = 600) {
    this.status = status;
    this.#startTimeoutSeconds = startTimeoutSeconds;
  }

  /** A sync so many seconds after 10:00:00. */
  sync(
    seconds: number,
    parts: RequestParts,
  ): { status: ToggleStatus; resync: number | undefined; events: number } {
    const now = { ...context, now: at(seconds), startTimeoutSeconds: this.#startTimeoutSeconds };
    const { response, events } = sync(request({ ...parts, status: this.status }), now);
    const { status = {} } = response;
    if (JSON.stringify(status) !== JSON.stringify(this.status)) this.writes += 1;
    this.status = status;
    this.events.push(...events);
    const told: ToggleStatus = status;
    if (told.phase !== undefined && told.phase !== this.phases.at(-1)) this.phases.push(told.phase);
    this.problems.add(told.problem);
    return { status: told, resync: response.resyncAfterSeconds, events: events.length };
  }
}
