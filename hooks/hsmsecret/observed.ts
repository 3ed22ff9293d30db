// SPDX-License-Identifier: Apache-2.0
// Classifies the observed Secret of an HSMSecret's name as owned, foreign, absent or unknown, and parses an owned one.

import { type ChecksummedData, checksummed } from "../checksum.ts";
import type { KeyedChecksums } from "../keyed-checksum.ts";
import type { Secret } from "../kubernetes.ts";
import { ownProperty } from "../maps.ts";
import { controllerOf } from "../metadata.ts";
import { type Base, baseOf, withoutPlaceholders } from "./base.ts";
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

export interface OwnedSecret {
  readonly secret: Secret;
  readonly base: Base | undefined;
  /** All its data. */
  readonly whole: ChecksummedData;
  /** Its data without keys that Keyswitch itself set and is about to leave out. */
  readonly held: ChecksummedData;
  /** The keys of `held` that have a place on the token; a key that spec.data does not map is put back, whatever it holds. */
  readonly mapped: ChecksummedData;
}

/** What `secret` says under a spec with this mapping. */
export const ownedSecretOf = (secret: Secret, { data: mapping }: Pick<ResolvedSpec, "data">): OwnedSecret => {
  const base = baseOf(secret);
  const whole = checksummed(secret.data ?? {});
  const held = base?.removing === undefined ? whole : checksummed(withoutPlaceholders(whole.data, base));
  const names = mapping && new Set(mapping.map(({ key }) => key));
  const mapped =
    names === undefined
      ? held
      : checksummed(Object.fromEntries(Object.entries(held.data).filter(([key]) => names.has(key))));
  return { secret, base, whole, held, mapped };
};

/**
 * Whether the Secret is known to hold what Keyswitch last gave it. Without a base nobody knows; one that can't be compared
 * any more vouches for nothing.
 */
export const isUnedited = (
  { base, held }: Pick<OwnedSecret, "base" | "held">,
  checksums: KeyedChecksums,
): boolean | undefined => base && checksums.fits(base.checksum, held.checksum);
