// SPDX-License-Identifier: Apache-2.0
// Classifies the observed Secret of an HSMSecret's name as owned, foreign, absent or unknown, and parses an owned one: its
// data, and the merge base of the two-way sync, which is the last content that Secret and token had in common.
import { Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { type ChecksummedData, checksum, checksummed, type KeyedChecksums } from "../checksum.ts";
import { ownProperty } from "../formats.ts";
import type { Secret, StringMap } from "../kubernetes.ts";
import { annotationOf, controllerOf } from "../metadata.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import type { HSMSecretStatus, HSMSecretSyncRequest } from "./schema.ts";

/** The annotation of a Secret under writeBack: the keyed checksum of the data that Keyswitch last gave it. Never a value. */
export const BASE = "hsm.j5t.io/base";

/**
 * The resourceVersion that our last change of the Secret replaced. It tells our changes apart: what was noted on the token
 * under an earlier one says nothing about the Secret as it is now.
 */
export const REPLACED = "hsm.j5t.io/replaced-resource-version";

const Base = Type.Object({
  /** Of the data, without the keys of `removing`; see KeyedChecksums. */
  checksum: Type.String(),
  /** What the data were made of: path, mapping and device of the spec. */
  scope: Type.String(),
  /** Keys that are there only until the next sync leaves them out: see replacing() in child.ts. */
  removing: Type.Optional(Type.Array(Type.String())),
});

/** The content of the annotation. */
export interface Base {
  readonly checksum: string;
  readonly scope: string;
  readonly removing?: readonly string[];
}

/** What a base is made with, beside data. */
export interface BaseOptions {
  /** Of the spec: see scopeOf(). */
  readonly scope: () => string;
  readonly context: { readonly checksums: KeyedChecksums };
}

const base = TypeCompiler.Compile(Base);

/** The base that `secret` carries; undefined where it carries none or one that somebody has broken. */
export const baseOf = (secret: Secret): Base | undefined => annotationOf(secret, BASE, base);

/**
 * The annotation for `data` under `scope` (scopeOf); the same data give the same text, and the one that is there (`before`)
 * stays while it is right.
 */
export const baseText = (
  { scope, context: { checksums } }: BaseOptions,
  data: ChecksummedData,
  before: Base | undefined,
  removing: readonly string[] = [],
): string =>
  JSON.stringify({
    checksum: checksums.kept(before?.checksum, data.checksum),
    scope: scope(),
    ...(removing.length !== 0 && { removing: [...removing].sort() }),
  });

/** What a base made under `spec` can be compared with: another path, mapping or device has no base in common with it. */
export const scopeOf = ({ hsmPath, device, data }: ResolvedSpec): string => {
  const mapping = data
    ?.map(({ key, hsmKey }) => [key, hsmKey])
    .sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return checksum([["scope", Buffer.from(JSON.stringify([hsmPath, device ?? "", mapping ?? []]))]]).slice(
    0,
    23,
  );
};

/** What a key that is about to be left out is set to, to take it over from whoever owns it. */
export const placeholderFor = (value: string): string => (value === "" ? "LQ==" : "");

const isPlaceholder = (value: string): boolean => value === "" || value === "LQ==";

/** `data` without keys that Keyswitch itself set and is about to leave out, by the `known` base. */
const withoutPlaceholders = (data: StringMap, known: Base | undefined): StringMap => {
  const removing = new Set(known?.removing);
  return Object.fromEntries(
    Object.entries(data).filter(([key, value]) => !(removing.has(key) && isPlaceholder(value))),
  );
};

/** What every note begins with that was left since `secret` was last given something. */
const noteFor = ({ metadata: { uid = "", annotations = {} } }: Secret): string =>
  `keyswitch:${uid}/${annotations[REPLACED] ?? ""}/`;

/**
 * What Keyswitch notes on the token (metadata.source) with what it took from `secret`: `agreed` is the checksum of the
 * data that the two have in common from then on. The webhook may die before it can say so anywhere else.
 */
export const sourceNoteOf = (secret: Secret, agreed: string): string => `${noteFor(secret)}${agreed}`;

/**
 * The checksum of the data that `secret` and the token last had in common: by the note on the token, if that is later
 * than what the Secret was last given, or by the base. Writers that leave the note as it is do no harm: it speaks of then.
 */
export const commonChecksumOf = (secret: Secret, known: Base, note: string | undefined): string => {
  const start = noteFor(secret);
  return note?.startsWith(start) ? note.slice(start.length) : known.checksum;
};

/** Whether the note would have the next sync take something else for common than `data`, which both sides hold now. */
export const isNoteStale = (secret: Secret, note: string | undefined, data: ChecksummedData): boolean => {
  const start = noteFor(secret);
  return note?.startsWith(start) === true && note.slice(start.length) !== data.checksum;
};

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
