// SPDX-License-Identifier: Apache-2.0
// Parses the Secret that an HSMSecret owns: its data, its mapped keys and its merge base.
import { type ChecksummedData, checksummed } from "../checksum.ts";
import type { KeyedChecksums } from "../keyed-checksum.ts";
import type { Secret } from "../kubernetes.ts";
import { type Base, baseOf, heldPart } from "./base.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

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
  const held = base?.removing === undefined ? whole : checksummed(heldPart(whole.data, base));
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
