// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes what a token keeps of its set: the set's name, the epoch, and the deletions that not every member has seen.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { decode, encode } from "cborg";
import { relate, type Stamp, stampOf } from "../storage/stamp.ts";
import type { Secret } from "../store.ts";
import type { Tombstone } from "./plan-pull.ts";

/** Which write a deletion of this token removes. It is done when that is gone. */
type DeletedWrite = { readonly epoch: number; readonly version: number; readonly digest: string };

/** A deletion; `deleted` where it is one of this token's own. */
export type KeptTombstone = Tombstone & { readonly deleted?: DeletedWrite };

export type SetRecord = {
  readonly set: string;
  readonly epoch: number;
  readonly tombstones: ReadonlyMap<string, KeptTombstone>;
  /** True: it was adopted, and what it held before has not been told apart yet from what the set has at the same paths. */
  readonly adopted?: true;
};

const FORMAT = 1;
/** The one key of the packed secret. */
export const RECORD_KEY = "set";
/** Of the checksum, enough to tell two secrets of one path and version apart. */
const DIGEST_DIGITS = 16;

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** Arrays and not maps, as a card's object has room for some 4,000 bytes: path, epoch, version, history, and what it deletes. */
const EncodedTombstone = Type.Tuple([
  Type.String(),
  Count,
  Count,
  Type.Array(Type.Tuple([Count, Count])),
  Type.Union([Type.Tuple([Count, Count, Type.String()]), Type.Null()]),
]);

const Encoded = Type.Object({
  record: Type.Literal(FORMAT),
  set: Type.String({ minLength: 1 }),
  epoch: Count,
  tombstones: Type.Array(EncodedTombstone),
  adopted: Type.Optional(Type.Literal(true)),
});

const encodedTombstone = ({
  path,
  epoch,
  version,
  history,
  deleted,
}: KeptTombstone): Static<typeof EncodedTombstone> => [
  path,
  epoch,
  version,
  history.map(([before, last]) => [before, last]),
  deleted === undefined ? null : [deleted.epoch, deleted.version, deleted.digest],
];

/** The keys of the packed secret that holds `record`. The same record gives the same bytes. */
export const encodeRecord = ({ set, epoch, tombstones, adopted }: SetRecord): Map<string, Uint8Array> => {
  const inOrder = [...tombstones.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return new Map([
    [
      RECORD_KEY,
      encode({
        ...{ record: FORMAT, set, epoch, tombstones: inOrder.map(encodedTombstone) },
        ...(adopted && { adopted }),
      }),
    ],
  ]);
};

const decodedTombstone = ([path, epoch, version, history, deleted]: Static<
  typeof EncodedTombstone
>): KeptTombstone => ({
  path,
  epoch,
  version,
  history,
  ...(deleted !== null && { deleted: { epoch: deleted[0], version: deleted[1], digest: deleted[2] } }),
});

/** The record in the keys of a packed secret; undefined where it is none that this version knows. */
export const decodeRecord = (data: ReadonlyMap<string, Uint8Array>): SetRecord | undefined => {
  const value = data.get(RECORD_KEY);
  if (value === undefined || data.size !== 1) return undefined;
  let decoded: unknown;
  try {
    decoded = decode(value);
  } catch {
    return undefined; // not CBOR
  }
  if (!Value.Check(Encoded, decoded)) return undefined;
  const { set, epoch, tombstones, adopted } = decoded;
  return {
    set,
    epoch,
    ...(adopted && { adopted }),
    tombstones: new Map(tombstones.map((one) => [one[0], decodedTombstone(one)])),
  };
};

/** Whether `stamp` is `other` or came after it, knowing of it. */
export const knowsOf = (stamp: Stamp, other: Stamp): boolean =>
  ["ahead", "same"].includes(relate(stamp, other));

const digestOf = (checksum: string): string => checksum.replace(/^sha256:/, "").slice(0, DIGEST_DIGITS);

/** The deletion of `secret` by this token, with `stamp`. */
export const tombstoneOf = (path: string, stamp: Stamp, secret?: Secret): KeptTombstone => {
  if (secret === undefined) return { path, ...stamp };
  const { epoch, version } = stampOf(secret.version, secret.metadata);
  return { path, ...stamp, deleted: { epoch, version, digest: digestOf(secret.checksum) } };
};

/** Whether the secret with `stamp` is what this token was about to remove when it recorded the deletion. */
export const isUnderDeletion = (
  { deleted }: KeptTombstone,
  { stamp, checksum }: { readonly stamp: Stamp; readonly checksum: string },
): boolean =>
  deleted !== undefined &&
  deleted.epoch === stamp.epoch &&
  deleted.version === stamp.version &&
  deleted.digest === digestOf(checksum);

/** Whether both are the same deletion. */
export const isSameTombstone = (a: Tombstone, b: Tombstone): boolean =>
  a.path === b.path && a.epoch === b.epoch && a.version === b.version;
