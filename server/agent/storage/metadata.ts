// SPDX-License-Identifier: Apache-2.0
// Parses a secret's metadata on the token, its version and its tombstone.
import { Value } from "@sinclair/typebox/value";
import { StoredMetadata } from "../../agent-api/schema.ts";

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
export const parseMetadata = (bytes: Uint8Array): Metadata | undefined => {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return Value.Check(Metadata, parsed) ? parsed : undefined;
  } catch {
    return undefined; // not UTF-8 or not JSON
  }
};

/** The count of writes in the labels; 0 where there is none or it is not a count. */
export const versionOf = (metadata: Metadata | undefined): number => {
  const text = metadata?.labels?.[VERSION_LABEL] ?? "";
  const version = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(version) ? version : 0;
};

/** Whether the metadata marks a deleted secret. */
export const isTombstone = (metadata: Metadata | undefined): boolean =>
  metadata?.labels?.[DELETED_LABEL] === "true";
