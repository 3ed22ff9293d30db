// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes the per-key layout, which is shared with pkcs11-tool and with systems that have no packed layout: one object
// per key, and one for the metadata with version and tombstone.
import { Value } from "@sinclair/typebox/value";
import { StoredMetadata } from "../../agent-api/schema.ts";
import { BARE_KEY, isPerKey, METADATA_SEGMENT, owners, type TokenObject } from "./path.ts";

/** The label that counts writes of a per-key secret. */
export const VERSION_LABEL = "sync.version";

/** The label by which the system that shares the per-key layout says when a secret was written (RFC 3339). */
export const TIMESTAMP_LABEL = "sync.timestamp";

/** The label that marks a secret as deleted. */
export const DELETED_LABEL = "sync.deleted";

/** The metadata of a secret. What else other writers put beside these fields is kept. */
export const Metadata = StoredMetadata;
export type Metadata = StoredMetadata;

/** The metadata in the JSON bytes of a `_metadata` object, or undefined where they are not metadata. */
const parseMetadata = (bytes: Uint8Array): Metadata | undefined => {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return Value.Check(Metadata, parsed) ? parsed : undefined;
  } catch {
    return undefined; // not UTF-8 or not JSON
  }
};

/** The count of writes in the labels; 0 where there is none or it is not a count. */
const versionOf = (metadata: Metadata | undefined): number => {
  const text = metadata?.labels?.[VERSION_LABEL] ?? "";
  const version = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(version) ? version : 0;
};

/** Whether the metadata marks a deleted secret. */
export const isTombstone = (metadata: Metadata | undefined): boolean =>
  metadata?.labels?.[DELETED_LABEL] === "true";

/** What one layout holds of a path. `tombstone` is a secret that was deleted at `version`. */
export type LayoutContent =
  | { kind: "none" }
  /** Nothing that could be answered. `version` where it is known which write it is that can't be seen whole. */
  | { kind: "invalid"; message: string; version?: number }
  | { kind: "tombstone"; version: number }
  | { kind: "secret"; version: number; keys: Map<string, Uint8Array>; metadata: Metadata };

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** What the object is to the per-key secret at `path`; undefined: nothing. */
const roleIn = (path: string, { label, application }: TokenObject) =>
  isPerKey(application) ? owners(label).find((candidate) => candidate.path === path) : undefined;

/** What the objects of a path give, or the name that two of them give different values for. */
const collected = (
  path: string,
  objects: Iterable<TokenObject>,
): { keys: Map<string, Uint8Array>; description: Uint8Array | undefined } | { contradicted: string } => {
  const keys = new Map<string, Uint8Array>();
  let description: Uint8Array | undefined;
  for (const object of objects) {
    const owner = roleIn(path, object);
    if (owner === undefined) continue;
    const { value } = object;
    const isMetadata = owner.kind === "metadata";
    const earlier = isMetadata ? description : keys.get(owner.key);
    if (earlier !== undefined && !same(earlier, value)) {
      return { contradicted: isMetadata ? METADATA_SEGMENT : owner.key };
    }
    if (isMetadata) description = value;
    else keys.set(owner.key, value);
  }
  return { keys, description };
};

/**
 * The per-key secret at `path` among `objects`, of which those of other paths and layouts are passed over. Two
 * different values for one key are `invalid`: which of them is meant can't be known. So is metadata without a key.
 */
export const decodePerKey = (path: string, objects: Iterable<TokenObject>): LayoutContent => {
  const found = collected(path, objects);
  if ("contradicted" in found) {
    const message = `${path}: two objects give different values for ${found.contradicted}`;
    return { kind: "invalid", message };
  }
  const { keys, description } = found;
  const metadata = description === undefined ? {} : parseMetadata(description);
  if (metadata === undefined) {
    return { kind: "invalid", message: `${path}/${METADATA_SEGMENT} is not the JSON that it should be` };
  }
  if (isTombstone(metadata)) return { kind: "tombstone", version: versionOf(metadata) };
  if (keys.size === 0) {
    if (description === undefined) return { kind: "none" };
    // A token that hides the keys looks the same, so this is not the absence of a secret.
    const message = `${path}/${METADATA_SEGMENT} describes a secret of which there is no key`;
    return { kind: "invalid", message, version: versionOf(metadata) };
  }
  return { kind: "secret", version: versionOf(metadata), keys, metadata };
};

/**
 * The objects that hold `keys` at `path` in this layout: label and value of each. `metadata` is written where given.
 * The key `data` stands at the bare path.
 */
export const encodePerKey = (
  path: string,
  keys: Iterable<readonly [string, Uint8Array]>,
  metadata?: Metadata,
): { label: string; value: Uint8Array }[] => {
  const objects = [...keys].map(([key, value]) => ({
    label: key === BARE_KEY ? path : `${path}/${key}`,
    value,
  }));
  if (metadata !== undefined) {
    objects.push({ label: `${path}/${METADATA_SEGMENT}`, value: Buffer.from(JSON.stringify(metadata)) });
  }
  return objects;
};

/**
 * Whether another system writes the secret at `path` as well and tells its writes by their time. Then our writes must tell
 * theirs, and a deletion must leave a tombstone, or that system brings the secret back from another token.
 */
export const isShared = (path: string, objects: Iterable<TokenObject>): boolean =>
  [...objects].some(
    ({ label, application, value }) =>
      isPerKey(application) &&
      label === `${path}/${METADATA_SEGMENT}` &&
      parseMetadata(value)?.labels?.[TIMESTAMP_LABEL] !== undefined,
  );
