// SPDX-License-Identifier: Apache-2.0
// Collects all that an HSMDevice hook derives from the request, and what is to be asked of discovery.
import type { HookContext } from "./context.ts";
import { type Observed, observe } from "./observed.ts";
import type { Reading, RoleReading } from "./reading.ts";
import { type ResolvedSpec, resolveSpec } from "./resolved-spec.ts";
import type { HSMDevice, HSMDeviceStatus, HSMDeviceSyncRequest } from "./schema.ts";
import { previousStatus } from "./status.ts";

export interface Assessment {
  readonly parent: HSMDevice;
  readonly context: HookContext;
  readonly spec: ResolvedSpec;
  /** The status that the last sync left. */
  readonly before: HSMDeviceStatus;
  readonly observed: Observed;
}

/** An assessment, what discovery reported, and what the agents of a set answered. */
export interface Judgement extends Assessment {
  readonly reading: Reading;
  readonly roles: RoleReading;
}

/** A pod of discovery that is to be asked. */
export interface Question {
  readonly node: string;
  /** The pod's IP address. */
  readonly address: string;
}

/** Reads `request` under `context`; the other steps of a hook call take what it answers. */
export const assess = (request: HSMDeviceSyncRequest, context: HookContext): Assessment => {
  const { parent } = request;
  return {
    parent,
    context,
    spec: resolveSpec(parent),
    before: previousStatus(parent),
    observed: observe(request),
  };
};

/** Whom the shell shall ask: discovery on each selected node where it is ready. */
export const plan = ({ observed: { around } }: Assessment): Question[] =>
  [...(around?.discovery ?? [])].flatMap(([node, { status }]) =>
    around?.nodes.has(node) === true && status?.podIP !== undefined ? [{ node, address: status.podIP }] : [],
  );

/** `assessment` with what came of its plan. A report of a node that was not asked for it is none. */
export const judge = (
  assessment: Assessment,
  reading: Reading,
  roles: RoleReading = new Map(),
): Judgement => {
  const asked = new Set(plan(assessment).map(({ node }) => node));
  return {
    ...assessment,
    roles,
    reading: new Map([...reading].filter(([node, report]) => asked.has(node) && report.node === node)),
  };
};
