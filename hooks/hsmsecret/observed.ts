// SPDX-License-Identifier: Apache-2.0
// What a sync request shows of the Secret that an HSMSecret names: ours, somebody else's, none, or nothing known.
import type { Secret } from "../kubernetes.ts";
import { own } from "../own.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import type { HSMSecretSyncRequest } from "./schema.ts";

const SECRETS = "Secret.v1";

export interface Observed {
  /** The Secret of the name, if the HSMSecret owns it. */
  readonly owned?: Secret;
  /** The Secret of the name, if the HSMSecret does not own it. */
  readonly foreign?: Secret;
  /** Secrets of other names that the HSMSecret owns: secretName has changed. */
  readonly stale: readonly Secret[];
  /** Whether the request says who has the name at all: without a customize hook it does not. */
  readonly known: boolean;
}

/** Whether another controller owns `secret`. */
export const controllerOf = (secret: Secret): { kind: string; name: string; uid: string } | undefined =>
  secret.metadata.ownerReferences?.find((owner) => owner.controller === true);

/** The Secrets of the HSMSecret: the one of its name first. */
export const secretsOf = ({ owned, stale }: Observed): readonly Secret[] =>
  owned === undefined ? stale : [owned, ...stale];

/** Reads the children and the related objects of `request`. */
export const observe = (request: HSMSecretSyncRequest, spec: ResolvedSpec): Observed => {
  const { namespace, uid } = request.parent.metadata;
  const key = `${namespace}/${spec.secretName}`;
  const children = request.children[SECRETS] ?? {};
  const related = request.related[SECRETS];
  const child = own(children, key);
  const named = related && own(related, key);
  const owned = child ?? (named !== undefined && controllerOf(named)?.uid === uid ? named : undefined);
  const stale = Object.entries(children)
    .filter(([name]) => name !== key)
    .map(([, secret]) => secret);
  return {
    ...(owned === undefined ? {} : { owned }),
    ...(owned === undefined && named !== undefined ? { foreign: named } : {}),
    stale,
    known: owned !== undefined || related !== undefined,
  };
};
