// SPDX-License-Identifier: Apache-2.0
// Reads the previous status of a Toggle, and defines what a sync finds out for the next one.
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { Deployment } from "./deployment.ts";
import { type LastScaled, type Phase, type Toggle, ToggleStatus } from "./schema.ts";

/** What one sync found out. */
export interface Finding {
  readonly phase: Phase;
  /** In words, with what to do where something is wrong. */
  readonly message: string;
  /** Whether the phase lasts until somebody changes something; kstatus calls that stalled. */
  readonly stuck: boolean;
  readonly desired?: number;
  /** The Deployment whose replicas the status counts; null where there is none. Left out: it is not ours to count. */
  readonly deployment?: Deployment | null;
  /** What is newly remembered, and of which Deployment. */
  readonly remembered?: { readonly lastReplicas?: number; readonly deploymentName: string };
  /** What to say of other Deployments that the selector matches. */
  readonly others?: string;
  /** Why the template is not applied. */
  readonly templateUnused?: string;
  /** What Kubernetes would refuse of the template. */
  readonly templateFault?: string;
  /** Who scales the Deployment against the Toggle. */
  readonly contended?: string;
  readonly lastScaled?: LastScaled;
}

const isStatus = TypeCompiler.Compile(ToggleStatus);
const FIELDS = Object.entries(ToggleStatus.properties).map(
  ([name, schema]) => [name, TypeCompiler.Compile(schema)] as const,
);

/**
 * The status that `parent` carries, as far as it is one of ours: a field that is not is left out by itself, so that the
 * remembered count outlives a change of any other field.
 */
export const previousStatus = ({ status = {} }: Toggle): ToggleStatus => {
  const ours = Object.fromEntries(
    FIELDS.flatMap(([name, schema]) =>
      Object.hasOwn(status, name) && schema.Check(status[name]) ? [[name, status[name]]] : [],
    ),
  );
  return isStatus.Check(ours) ? ours : {};
};
