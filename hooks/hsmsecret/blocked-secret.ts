// SPDX-License-Identifier: Apache-2.0
// Explains why a Secret does not change although each response asks for it: a finalizer holds its deletion, the API server
// rejects it, or Metacontroller does not adopt it.
import { conditionOf } from "../condition.ts";
import type { Secret } from "../kubernetes.ts";
import { secondsSinceEpoch, secondsUntil } from "../rfc3339.ts";
import type { HSMSecret, HSMSecretStatus } from "./schema.ts";

/** Finalizers that the garbage collector takes off by itself. */
const PASSING: ReadonlySet<string> = new Set(["foregroundDeletion", "orphan"]);

/** What to say of a Secret that is being deleted and held; Metacontroller changes none that is. */
export const heldText = ({ metadata }: Secret): string | undefined => {
  const held = (metadata.finalizers ?? []).filter((name) => !PASSING.has(name));
  return metadata.deletionTimestamp === undefined || held.length === 0
    ? undefined
    : `The Secret ${metadata.name} is being deleted and is held by the ${held.length === 1 ? "finalizer" : "finalizers"} ${held.join(", ")}. It is made anew once it is gone: have whoever set that take it off.`;
};

/** Seconds after which a Secret that is still not as it was asked for is told to be refused. */
export const OVERDUE_SECONDS = 60;

/** How long `before` has said that the Secret is being written, in seconds at the time `now`. */
export const writingFor = (before: HSMSecretStatus, now: string): number => {
  const since = conditionOf(before.conditions, "Reconciling")?.lastTransitionTime;
  return since === undefined || secondsSinceEpoch(since) === undefined ? 0 : secondsUntil(now, since);
};

/** What to say of such a Secret, and where to look. */
export const overdueText = (parent: HSMSecret, secretName: string): string => {
  const { name, namespace } = parent.metadata;
  return `The Secret ${namespace}/${secretName} has not been written for more than ${OVERDUE_SECONDS} s: the API server refuses it, or Metacontroller does not get to it. Look for a ResourceQuota, an admission webhook or policy: kubectl describe hsmsecret ${name} -n ${namespace} shows Metacontroller's error, kubectl describe resourcequota -n ${namespace} what is used up.`;
};

/** The label that Metacontroller's generated selector asks of a child: the uid of its parent. */
const SELECTED_BY = "controller-uid";

/** Seconds after which a Secret that is still nobody's is told to be waited for; server-side apply takes it over at once. */
export const TAKE_OVER_SECONDS = 2;

/** Whether nothing but server-side apply takes `secret` over: dynamic apply claims only what its selector matches. */
export const isUnselected = (parent: HSMSecret, secret: Secret): boolean =>
  secret.metadata.labels?.[SELECTED_BY] !== parent.metadata.uid;

/** What to say of a Secret that is nobody's and that Metacontroller has not taken over. */
export const notTakenOverText = (parent: HSMSecret, secret: Secret): string => {
  const { name, namespace, uid } = parent.metadata;
  return `The Secret ${namespace}/${secret.metadata.name} is there, no controller owns it, and Metacontroller has not taken it over. With dynamic apply it takes over only what carries the label ${SELECTED_BY}: kubectl label secret -n ${namespace} ${secret.metadata.name} ${SELECTED_BY}=${uid} --overwrite. With server-side apply the API server refuses it: kubectl describe hsmsecret ${name} -n ${namespace} shows Metacontroller's error.`;
};
