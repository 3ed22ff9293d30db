// SPDX-License-Identifier: Apache-2.0
// Classifies the observed Secret of an HSMSecret's name: owned, foreign, absent or unknown.

import type { Secret } from "../kubernetes.ts";
import { ownProperty } from "../maps.ts";
import { controllerOf } from "../owner.ts";
import { type OwnedSecret, ownedSecretOf } from "./owned-secret.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import type { HSMSecretStatus, HSMSecretSyncRequest } from "./schema.ts";

const SECRETS = "Secret.v1";

export interface Observed {
  /** The Secret of the name, if the HSMSecret owns it, or if it did and nobody does now: `released`. */
  readonly owned?: OwnedSecret;
  /** The Secret of the name, if the HSMSecret does not own it. */
  readonly foreign?: Secret;
  /** Whether `owned` has lost its owner reference, as by `kubectl replace` or when somebody takes the label of the selector off. */
  readonly released: boolean;
  /** Secrets of other names that the HSMSecret owns: secretName has changed. */
  readonly stale: readonly Secret[];
  /** Whether the request says who has the name at all: without a customize hook it does not. */
  readonly known: boolean;
}

/** The Secrets of the HSMSecret: the one of its name first. */
export const secretsOf = ({ owned, stale }: Observed): readonly Secret[] =>
  owned === undefined ? stale : [owned.secret, ...stale];

/**
 * Whether `secret` is the very object that the HSMSecret owned when its status was last written, and nobody owns it now. Not
 * while the HSMSecret is being deleted: an owner reference that is missing then is one that the garbage collector took off.
 */
const isReleased = (finalizing: boolean, { secretRef }: HSMSecretStatus, secret: Secret): boolean =>
  !finalizing &&
  controllerOf(secret) === undefined &&
  secretRef?.uid !== undefined &&
  secretRef.uid === secret.metadata.uid;

/** Reads the children and the related objects of `request`; `before` is the status that its parent carries. */
export const observe = (
  request: HSMSecretSyncRequest,
  spec: ResolvedSpec,
  before: HSMSecretStatus,
): Observed => {
  const { namespace, uid } = request.parent.metadata;
  const key = `${namespace}/${spec.secretName}`;
  const children = request.children[SECRETS] ?? {};
  const related = request.related[SECRETS];
  const child = ownProperty(children, key);
  const named = related && ownProperty(related, key);
  const released =
    child === undefined && named !== undefined && isReleased(request.finalizing, before, named);
  const isOurs = named !== undefined && (released || controllerOf(named)?.uid === uid);
  const owned = child ?? (isOurs ? named : undefined);
  const stale = Object.entries(children)
    .filter(([name]) => name !== key)
    .map(([, secret]) => secret);
  return {
    ...(owned !== undefined && { owned: ownedSecretOf(owned, spec) }),
    ...(owned === undefined && named !== undefined && { foreign: named }),
    released,
    stale,
    known: owned !== undefined || related !== undefined,
  };
};
