// SPDX-License-Identifier: Apache-2.0
// Plans which objects a write creates and removes, and whether the token takes them.
import type { RefusalCode } from "../../../hooks/error-codes.ts";
import type { Layout } from "../../agent-api/schema.ts";
import type { Content } from "../apply-change.ts";
import { digestOf, journalObject } from "./journal.ts";
import { encodePacked } from "./packed.ts";
import {
  isPerKey,
  listedPath,
  PACKED_APPLICATION,
  PER_KEY_APPLICATION,
  shownPath,
  type TokenObject,
} from "./path.ts";
import { DELETED_LABEL, encodePerKey, TIMESTAMP_LABEL, VERSION_LABEL } from "./per-key.ts";

/** What the token takes. Sizes are bytes; null is no limit that is known. */
export type TokenLimits = {
  /** Of one object's value. */
  maxObjectBytes: number | null;
  /** Data objects of the whole token, and which size it was that one too many had: smaller ones may still fit. */
  objects: { limit: number; fromBytes: number; source: "configured" | "learned" | "module" } | null;
};

/** Objects in the order in which they are made; then those that go, in theirs. */
export type WritePlan<O extends TokenObject> = {
  kind: "plan";
  /** Made first and removed last, where the write is not whole with a single call. */
  journal?: TokenObject;
  make: TokenObject[];
  remove: O[];
};

export type PlanRefusal = {
  kind: "refused";
  code: RefusalCode;
  message: string;
};

/** What else than its room decides how a token is written. */
export type TokenWays = {
  /** Removing an object is one step of the token: cut anywhere, the object is there or it is not. */
  removesAtOnce: boolean;
  /** An object may have a value of no bytes. */
  takesEmptyValues: boolean;
};

/**
 * What the path shall hold. `timestamp`: when it is written (RFC 3339), where another system wants to know. Without data it is a
 * tombstone, in the per-key layout alone.
 */
export type PlannedContent = Content & { layout: Layout; version: number; timestamp?: string };

export type PlanRequest<O extends TokenObject> = {
  path: string;
  /** The objects of the path that count (see journal.ts). */
  objects: readonly O[];
  /** Journals that still stand there, and how many of the path's objects can't be read. */
  standing?: readonly O[];
  unread?: number;
  /** Undefined deletes. */
  content?: PlannedContent;
  /** Data objects on the whole token now. */
  used: number;
  limits: TokenLimits;
  ways?: TokenWays;
  /** Of the packed layout: what is replaced has a version that is not lower, so that it would win while both are there. */
  outranked?: boolean;
};

/** How SoftHSM2 and most modules do it. */
const PLAIN_WAYS: TokenWays = { removesAtOnce: true, takesEmptyValues: true };

/** CKA_LABEL of a PKCS#15 token (OpenSC: SC_PKCS15_MAX_LABEL_SIZE) has no more bytes. */
const MAX_LABEL_BYTES = 255;

/** Kept free for the journal of a delete: a full token could otherwise not be emptied safely. */
export const RESERVE = 1;

const refused = (code: PlanRefusal["code"], message: string): PlanRefusal => ({
  kind: "refused",
  code,
  message,
});

/** The labels that a list shows under another path than this. */
const strangers = (path: string, objects: readonly Pick<TokenObject, "label" | "application">[]): string[] =>
  objects
    .filter(({ label, application }) => isPerKey(application) && shownPath(label) !== path)
    .map(({ label }) => label);

const ambiguous = (path: string, labels: readonly string[]): PlanRefusal =>
  refused(
    "PATH_AMBIGUOUS",
    `${path}: the per-key object ${labels[0]} would belong to this secret and to ${listedPath(labels[0] ?? "") ?? "another path"}; write or delete it there, use another path, or use the packed layout`,
  );

/** The objects that hold `content`. */
const objectsOf = (
  path: string,
  { data, metadata, layout, version, timestamp }: PlannedContent,
  maxObjectBytes: number | null,
): TokenObject[] => {
  if (layout === "packed") {
    const most = maxObjectBytes ?? Number.POSITIVE_INFINITY;
    return encodePacked({ version, keys: data, metadata }, most).map((value) => ({
      label: path,
      application: PACKED_APPLICATION,
      value,
    }));
  }
  const labels = {
    ...metadata.labels,
    [VERSION_LABEL]: String(version),
    ...(timestamp !== undefined && { [TIMESTAMP_LABEL]: timestamp }),
    ...(data.size === 0 && { [DELETED_LABEL]: "true" }),
  };
  const counted = { ...metadata, labels };
  return encodePerKey(path, data, counted).map((object) => ({ ...object, application: PER_KEY_APPLICATION }));
};

/**
 * Whether the object is there already: who wrote a per-key object, and so its application, does not matter. One whose name
 * has to be repaired is not.
 */
const isSame = (there: TokenObject, wanted: TokenObject): boolean =>
  there.damaged !== true && sameObject(there, wanted);

const sameObject = (a: TokenObject, b: TokenObject): boolean =>
  a.label === b.label &&
  (a.application === b.application || (isPerKey(a.application) && isPerKey(b.application))) &&
  Buffer.compare(a.value, b.value) === 0;

/** The first new object that is larger than the token takes, in words. */
const tooLarge = (made: readonly TokenObject[], limits: TokenLimits): PlanRefusal | undefined => {
  for (const { label, value } of made) {
    const bytes = Buffer.byteLength(label);
    if (bytes > MAX_LABEL_BYTES) {
      return refused(
        "SECRET_TOO_LARGE",
        `the label of an object would have ${bytes} bytes and a token takes ${MAX_LABEL_BYTES}; shorten the path or the key`,
      );
    }
    if (limits.maxObjectBytes !== null && value.length > limits.maxObjectBytes) {
      return refused(
        "SECRET_TOO_LARGE",
        `an object would have ${value.length} bytes and the token takes ${limits.maxObjectBytes}; use the packed layout, which splits large secrets, or fewer keys`,
      );
    }
  }
  return undefined;
};

/** Why the token has no room for the new objects beside those that it has, in words. */
const noRoom = (
  made: readonly TokenObject[],
  used: number,
  { objects }: TokenLimits,
): PlanRefusal | undefined => {
  if (objects === null || made.length === 0) return undefined;
  const largest = Math.max(...made.map(({ value }) => value.length));
  if (largest < objects.fromBytes || used + made.length + RESERVE <= objects.limit) return undefined;
  return refused(
    "TOKEN_FULL",
    `the token holds ${used} of ${objects.limit} data objects (${objects.source}); this write needs ${made.length} more while it is made and one stays free. Delete secrets, or move them to the packed layout (kubectl hsm repack)`,
  );
};

/** The first key of a per-key write whose value is empty, in words, where the token can't hold such. */
const emptyValue = (
  make: readonly TokenObject[],
  { takesEmptyValues }: TokenWays,
): PlanRefusal | undefined => {
  const empty = takesEmptyValues ? undefined : make.find(({ value }) => value.length === 0);
  return (
    empty &&
    refused(
      "VALUE_EMPTY",
      `${empty.label}: the token does not keep an object without a value; use the packed layout, or leave the key out`,
    )
  );
};

/** What to make and what to remove, in the order that journal.ts explains. */
export const planWrite = <O extends TokenObject>(request: PlanRequest<O>): WritePlan<O> | PlanRefusal => {
  const { path, objects, content, limits, used, standing = [], unread = 0, ways = PLAIN_WAYS } = request;
  const { outranked = false } = request;
  const shared = strangers(path, objects);
  if (shared.length > 0) return ambiguous(path, shared);
  const most = limits.maxObjectBytes;
  if (content?.layout === "packed" && most !== null && most <= MIN_PACKED_BYTES) {
    return refused("SECRET_TOO_LARGE", `objects of ${most} bytes can't hold a packed secret`);
  }
  const wanted = content === undefined ? [] : objectsOf(path, content, most);
  const elsewhere = strangers(path, wanted);
  if (elsewhere.length > 0) return ambiguous(path, elsewhere);
  const make = wanted.filter((object) => !objects.some((there) => isSame(there, object)));
  const replaced = objects.filter((there) => !wanted.some((object) => isSame(there, object)));
  const remove = [...replaced, ...standing];
  const journal = needsJournal({ make, remove, unread, ways, outranked })
    ? journalObject(path, { make: make.map(digestOf), remove: remove.map(digestOf), stuck: unread })
    : undefined;
  const made = journal === undefined ? make : [journal, ...make];
  const tooMuch = content === undefined ? noRoomToDelete : noRoom;
  const refusal = emptyValue(make, ways) ?? tooLarge(made, limits) ?? tooMuch(made, used, limits);
  if (refusal === undefined) {
    return { kind: "plan", ...(journal !== undefined && { journal }), make, remove };
  }
  // A full token must be emptied somehow: one object alone goes without a journal.
  const isPlainDelete = content === undefined && refusal.code === "TOKEN_FULL" && remove.length === 1;
  return isPlainDelete && unread === 0 ? { kind: "plan", make, remove } : refusal;
};

/** The journal of a delete may take the object that is kept free. */
const noRoomToDelete = (
  made: readonly TokenObject[],
  used: number,
  { objects, ...rest }: TokenLimits,
): PlanRefusal | undefined =>
  objects?.source === "module" ? noRoom(made, used - RESERVE, { ...rest, objects }) : undefined;

/** The CBOR of a part needs about this much beside its chunk. */
const MIN_PACKED_BYTES = 256;

type Steps = Pick<WritePlan<TokenObject>, "make" | "remove"> &
  Required<Pick<PlanRequest<TokenObject>, "unread" | "ways" | "outranked">>;

/**
 * Whether a cut could leave a mixture. Not where a single call does it all, and not where one packed object replaces
 * others: until they are gone, the highest version wins, unless that is not the new one's. A removal that a cut leaves half done is told from an object that
 * counts by a journal alone, and so are objects that can't be read, unless a packed secret stands beside them.
 */
const needsJournal = ({ make, remove, unread, ways, outranked }: Steps): boolean => {
  const [only, ...others] = make;
  const packed = ({ application }: TokenObject): boolean => application === PACKED_APPLICATION;
  const isPackedPut = !outranked && only !== undefined && others.length === 0 && packed(only);
  if (unread > 0) return !(isPackedPut && remove.every(packed));
  if (make.length + remove.length <= 1) return remove.length === 1 && !ways.removesAtOnce;
  return !(isPackedPut && remove.every(packed));
};
