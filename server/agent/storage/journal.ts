// SPDX-License-Identifier: Apache-2.0
// Implements the journal that replaces the objects of one path atomically, on a token that knows no transactions.
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

/**
 * The objects that one write makes and removes; no object is in both. `stuck` counts the objects of the path that could not
 * be read when the write began, and so count for nothing: see `settle`.
 */
export type Journal = { make: readonly Digest[]; remove: readonly Digest[]; stuck: number };

/** Long enough for the few hundred objects of a path, short enough for the journal to fit an object of 4 kB. */
const DIGEST_BYTES = 8;
const FORMAT = 1;

const Encoded = Type.Object({
  journal: Type.Literal(FORMAT),
  make: Type.Uint8Array(),
  remove: Type.Uint8Array(),
  stuck: Type.Optional(Type.Integer({ minimum: 0 })),
});

/** The digest of an object. Its parts are framed by their lengths; a damaged name, and a public object, is another one than the right one. */
export const digestOf = (object: TokenObject): Digest => {
  const { label, application, value, damaged = false, isPublic = false } = object;
  const hash = createHash("sha256");
  for (const part of [Buffer.from(label), Buffer.from(application), value]) {
    hash.update(`${part.length}:`).update(part);
  }
  if (damaged) hash.update("damaged");
  if (isPublic) hash.update("public");
  return hash.digest("hex").slice(0, 2 * DIGEST_BYTES);
};

const joined = (digests: readonly Digest[]): Uint8Array => Buffer.from(digests.join(""), "hex");

const split = (bytes: Uint8Array): Digest[] =>
  Array.from({ length: bytes.length / DIGEST_BYTES }, (_, index) =>
    Buffer.from(bytes.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)).toString("hex"),
  );

/** The object that says at `path` what is under way. */
export const journalObject = (path: string, { make, remove, stuck }: Journal): TokenObject => ({
  label: path,
  application: JOURNAL_APPLICATION,
  value: encode({
    journal: FORMAT,
    make: joined(make),
    remove: joined(remove),
    ...(stuck > 0 && { stuck }),
  }),
});

const parseJournal = (value: Uint8Array): Journal | undefined => {
  let decoded: unknown;
  try {
    decoded = decode(value);
  } catch {
    return undefined; // not CBOR
  }
  if (!Value.Check(Encoded, decoded)) return undefined;
  const { make, remove, stuck = 0 } = decoded;
  if (make.length % DIGEST_BYTES !== 0 || remove.length % DIGEST_BYTES !== 0) return undefined;
  return { make: split(make), remove: split(remove), stuck };
};

/**
 * The objects of a path once its journal is understood. `surplus` is what a cut write left over, the journal last: it
 * counts for nothing and is to be removed in this order. `unexplained`: so many more objects can't be read than the journal
 * tells of. `standing`: journals that have to stay, because they say that objects which can't be read count for nothing.
 */
export type Settled<O extends TokenObject> =
  | { kind: "settled"; objects: O[]; surplus: O[]; standing: O[]; unexplained: number }
  | { kind: "invalid"; message: string };

type Read<O> = { object: O; journal: Journal; digest: Digest };

/** The journal that no other names among what it removes: the latest. Undefined where two claim to be that. */
const latest = <O>(journals: readonly Read<O>[]): Read<O> | undefined => {
  const standing = journals.filter(
    ({ digest }) => !journals.some(({ journal }) => journal.remove.includes(digest)),
  );
  return standing.length === 1 ? standing[0] : undefined;
};

const UNCLEAR = "the journal of a write can't be understood";

/**
 * Which of the objects of `path` count. Without a journal, all. `unread` of the path's objects, journals aside, can't be
 * read. Where a token removes an object in two steps and was cut between them, such an object is left for good; a journal
 * tells it from one that counts, as it says how many objects go. So a journal stays as long as there is one.
 */
export const settle = <O extends TokenObject>(
  path: string,
  objects: readonly O[],
  unread = 0,
): Settled<O> => {
  const isJournal = ({ label, application }: O): boolean =>
    application === JOURNAL_APPLICATION && label === path;
  const found = objects.filter(isJournal);
  const beside = objects.filter((object) => !isJournal(object));
  if (found.length === 0) {
    return { kind: "settled", objects: beside, surplus: [], standing: [], unexplained: unread };
  }
  const journals: Read<O>[] = [];
  for (const object of found) {
    const journal = parseJournal(object.value);
    if (journal === undefined) return { kind: "invalid", message: `${path}: ${UNCLEAR}` };
    journals.push({ object, journal, digest: digestOf(object) });
  }
  const last = latest(journals);
  if (last === undefined) return { kind: "invalid", message: `${path}: ${UNCLEAR}` };
  return settleBy(path, last, { objects: beside, earlier: journals.filter((one) => one !== last), unread });
};

/** The same where it is known which journal speaks. */
const settleBy = <O extends TokenObject>(
  path: string,
  { object: own, journal }: Read<O>,
  { objects, earlier, unread }: { objects: readonly O[]; earlier: readonly Read<O>[]; unread: number },
): Settled<O> => {
  const digests = new Map(objects.map((object) => [object, digestOf(object)] as const));
  const shown = new Set([...digests.values(), ...earlier.map(({ digest }) => digest)]);
  const missing = (named: readonly Digest[]): number => named.filter((digest) => !shown.has(digest)).length;
  const split = (gone: readonly Digest[]): { rest: O[]; surplus: O[] } => {
    const isGone = (object: O): boolean => gone.includes(digests.get(object) ?? "");
    return { rest: objects.filter((object) => !isGone(object)), surplus: objects.filter(isGone) };
  };
  if (missing(journal.make) === 0) {
    const { rest, surplus } = split(journal.remove);
    const unexplained = Math.max(0, unread - journal.stuck - missing(journal.remove));
    const old = earlier.map(({ object }) => object);
    return unread > 0
      ? { kind: "settled", objects: rest, surplus: [...surplus, ...old], standing: [own], unexplained }
      : { kind: "settled", objects: rest, surplus: [...surplus, ...old, own], standing: [], unexplained };
  }
  if (missing(journal.remove) === 0) {
    // As if the write had never begun: the earlier journal, if there is one, says what counts. What could not be read then
    // can't be read now; what is more than that are new objects that have been removed in part.
    const { rest, surplus } = split(journal.make);
    const undone = Math.min(Math.max(0, unread - journal.stuck), missing(journal.make));
    const before = settle(path, [...rest, ...earlier.map(({ object }) => object)], unread - undone);
    if (before.kind === "invalid") return before;
    const isNeeded = undone > 0;
    return {
      ...before,
      surplus: [...surplus, ...(isNeeded ? [] : [own]), ...before.surplus],
      standing: [...before.standing, ...(isNeeded ? [own] : [])],
    };
  }
  // Neither side is whole: the token hides objects, or somebody removed some. What is left may be all that there is.
  return {
    kind: "invalid",
    message: `${path}: a write was cut off, and the token now shows neither all old nor all new objects`,
  };
};
