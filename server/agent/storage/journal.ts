// SPDX-License-Identifier: Apache-2.0
// The journal: how the objects of one path are replaced as one, on a token that knows no transactions.
//
// It is an object of its own that names, by digest, the objects that a write makes and those that it removes. The order is:
// the journal, all new objects, a look at whether the token shows them, the removals, the journal's end. So whoever finds a
// journal knows what to do: where all new objects are there the write counts, and else the old ones are still all there and
// the write counts as never begun.
import { createHash } from "node:crypto";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { decode, encode } from "cborg";
import { JOURNAL_APPLICATION, type TokenObject } from "./path.ts";

/** Hex of the first DIGEST_BYTES bytes of SHA-256 over label, application and value. Only told apart within one path. */
export type Digest = string;

/** The objects that one write makes and removes; no object is in both. */
export type Journal = { make: readonly Digest[]; remove: readonly Digest[] };

/** Long enough for the few hundred objects of a path, short enough for the journal to fit an object of 4 kB. */
const DIGEST_BYTES = 8;
const FORMAT = 1;

const Encoded = Type.Object({
  journal: Type.Literal(FORMAT),
  make: Type.Uint8Array(),
  remove: Type.Uint8Array(),
});

/** The digest of an object. Label and application are framed by their lengths. */
export const digestOf = ({ label, application, value }: TokenObject): Digest => {
  const hash = createHash("sha256");
  for (const part of [Buffer.from(label), Buffer.from(application), value]) {
    hash.update(`${part.length}:`).update(part);
  }
  return hash.digest("hex").slice(0, 2 * DIGEST_BYTES);
};

const joined = (digests: readonly Digest[]): Uint8Array => Buffer.from(digests.join(""), "hex");

const split = (bytes: Uint8Array): Digest[] =>
  Array.from({ length: bytes.length / DIGEST_BYTES }, (_, index) =>
    Buffer.from(bytes.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)).toString("hex"),
  );

/** The object that says at `path` what is under way. */
export const journalObject = (path: string, { make, remove }: Journal): TokenObject => ({
  label: path,
  application: JOURNAL_APPLICATION,
  value: encode({ journal: FORMAT, make: joined(make), remove: joined(remove) }),
});

const parseJournal = (value: Uint8Array): Journal | undefined => {
  let decoded: unknown;
  try {
    decoded = decode(value);
  } catch {
    return undefined; // not CBOR
  }
  if (!Value.Check(Encoded, decoded)) return undefined;
  const { make, remove } = decoded;
  if (make.length % DIGEST_BYTES !== 0 || remove.length % DIGEST_BYTES !== 0) return undefined;
  return { make: split(make), remove: split(remove) };
};

/**
 * The objects of a path once its journal is understood. `surplus` is what a cut write left over, the journal last: it
 * counts for nothing and is to be removed in this order.
 */
export type Settled<O extends TokenObject> =
  | { kind: "settled"; objects: O[]; surplus: O[] }
  | { kind: "invalid"; message: string };

/** Which of the objects of `path` count. Without a journal, all. */
export const settle = <O extends TokenObject>(path: string, objects: readonly O[]): Settled<O> => {
  const isJournal = ({ label, application }: O): boolean =>
    application === JOURNAL_APPLICATION && label === path;
  const [found, ...others] = objects.filter(isJournal);
  if (found === undefined) return { kind: "settled", objects: [...objects], surplus: [] };
  const journal = others.length === 0 ? parseJournal(found.value) : undefined;
  if (journal === undefined) {
    return { kind: "invalid", message: `${path}: the journal of a write can't be understood` };
  }
  const beside = objects.filter((object) => !isJournal(object));
  const digests = new Map(beside.map((object) => [object, digestOf(object)] as const));
  const shown = new Set(digests.values());
  const split = (gone: readonly Digest[]): Settled<O> => {
    const isGone = (object: O): boolean => gone.includes(digests.get(object) ?? "");
    return {
      kind: "settled",
      objects: beside.filter((object) => !isGone(object)),
      surplus: [...beside.filter(isGone), found],
    };
  };
  if (journal.make.every((digest) => shown.has(digest))) return split(journal.remove);
  if (journal.remove.every((digest) => shown.has(digest))) return split(journal.make);
  // Neither side is whole: the token hides objects, or somebody removed some. What is left may be all that there is.
  return {
    kind: "invalid",
    message: `${path}: a write was cut off, and the token now shows neither all old nor all new objects`,
  };
};
