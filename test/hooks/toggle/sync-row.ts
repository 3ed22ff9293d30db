// SPDX-License-Identifier: Apache-2.0
// Defines a row of the sync hook's tables, and the situations that several rows share.
import type { Deployment } from "../../../hooks/toggle/deployment.ts";
import { deployment, type RequestParts } from "./request.ts";

export const off = { enabled: false } as const;
export const running = { phase: "Running", desiredReplicas: 3, lastReplicas: 3, deploymentName: "web" };
export const stopped = { phase: "Off", desiredReplicas: 0, lastReplicas: 3, deploymentName: "web" };
export const stranger = { ownerReferences: [] };
export const note = (toggle: string) => ({
  annotations: { "toggle.j5t.io/replicas-when-on": "4", "toggle.j5t.io/switched-off-by": toggle },
});
export const second = deployment(2, { name: "second" });
export const past = "2026-11-22T10:00:00Z";
export const soon = "2026-11-22T12:00:00+01:00";
export const failed = (reason: string): Deployment["status"] => ({
  observedGeneration: 1,
  replicas: 3,
  updatedReplicas: 3,
  conditions: [{ type: "Progressing", status: "False", reason, message: `${reason} says why` }],
});
/** `serving` of 3 pods available, `updated` of them of the newest template, under the given conditions. */
export const rolling = (
  updated: number,
  serving: number,
  conditions: readonly (readonly [type: string, status: string, reason: string])[] = [],
  replicas = 3,
): Deployment["status"] => ({
  observedGeneration: 1,
  replicas,
  updatedReplicas: updated,
  readyReplicas: serving,
  availableReplicas: serving,
  conditions: conditions.map(([type, status, reason]) => ({
    type,
    status,
    reason,
    message: `${reason} says why`,
  })),
});
/** A situation, and what the hook must answer. */
export interface Row {
  readonly name: string;
  readonly given: RequestParts;
  /** Whether the installation allows templates; it does, if not given. */
  readonly templates?: boolean;
  readonly expect: {
    readonly phase: string;
    /** Name and replicas of each child of the answer. */
    readonly children: Record<string, number>;
    /** "none" where the status says none. */
    readonly desired?: number | "none";
    readonly last?: number | undefined;
    readonly message?: RegExp;
    readonly conditions?: Record<string, string>;
    readonly resync?: number;
    /** replicas, ready, available; "none" where the status does not count. */
    readonly counts?: [number, number, number] | "none";
  };
}
