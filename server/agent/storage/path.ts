// SPDX-License-Identifier: Apache-2.0
// Maps the labels of token objects to paths of secrets.
import { isHsmPath } from "../../../hooks/formats.ts";

/** CKA_APPLICATION of packed objects; every data object that is neither packed nor a journal is read as per-key. */
export const PACKED_APPLICATION = "keyswitch/1";

/** CKA_APPLICATION of the object that stands beside a secret while several objects of it are replaced: see journal.ts. */
export const JOURNAL_APPLICATION = "keyswitch/1/journal";

/** CKA_APPLICATION of the per-key objects that we make. */
export const PER_KEY_APPLICATION = "hsm-secrets-operator";

/** Whether an object of this application is read as per-key. */
export const isPerKey = (application: string): boolean =>
  application !== PACKED_APPLICATION && application !== JOURNAL_APPLICATION;

/** Where the agent keeps what is its own. */
const RESERVED_PATH = "keyswitch/1";

/**
 * Whether no client reads or writes the path. The path above it is one as well: a key of it could have the label of what is there in the
 * per-key layout.
 */
export const isReservedPath = (path: string): boolean =>
  path === RESERVED_PATH || path.startsWith(`${RESERVED_PATH}/`);

/** The last segment of the object that describes a secret. It is never a key. */
export const METADATA_SEGMENT = "_metadata";

/** The key of the object whose label is the bare path. */
export const BARE_KEY = "data";

/**
 * One data object of the token, read. `label` and `application` are UTF-8 text. `damaged`: on the token there is more behind
 * one of them (see pkcs11/child/module-calls.ts), so that a write replaces it. `isPublic`: it is not CKA_PRIVATE (see trust.ts).
 */
export type TokenObject = {
  label: string;
  application: string;
  value: Uint8Array;
  damaged?: boolean;
  isPublic?: boolean;
};

/** How one per-key object belongs to a path: as its metadata, or as the value of a key. */
export type Ownership = { path: string; kind: "metadata" } | { path: string; kind: "key"; key: string };

/** One segment of a path, which is also what a key's name may be. */
const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,253}$/;

/** Whether `name` may be the name of a key. */
export const isKeyName = (name: string): boolean => SEGMENT.test(name) && name !== METADATA_SEGMENT;

/** The path before the last slash and the segment behind it, where both are well-formed. */
const splitLast = (label: string): { parent: string; last: string } | undefined => {
  const slash = label.lastIndexOf("/");
  if (slash < 0) return undefined;
  const parent = label.slice(0, slash);
  const last = label.slice(slash + 1);
  return isHsmPath(parent) && SEGMENT.test(last) ? { parent, last } : undefined;
};

/**
 * The paths that a per-key label belongs to: the path that equals it (key `data`), and the path that it extends by
 * exactly one segment. Empty for a label that no secret can have.
 */
export const owners = (label: string): Ownership[] => {
  const split = splitLast(label);
  if (split?.last === METADATA_SEGMENT) return [{ path: split.parent, kind: "metadata" }];
  const owned: Ownership[] = [];
  if (isHsmPath(label) && label !== METADATA_SEGMENT) {
    owned.push({ path: label, kind: "key", key: BARE_KEY });
  }
  if (split !== undefined) owned.push({ path: split.parent, kind: "key", key: split.last });
  return owned;
};

/**
 * The path that an object was meant for whose label no key can have: a blank in its last segment, a slash in front of all or one
 * too many, bytes that are no UTF-8. Undefined for a label that a secret can have, and where no path can be told.
 */
export const intendedPath = (label: string): string | undefined => {
  if (owners(label).length > 0) return undefined;
  const bare = label.replace(/^\/+/, "");
  const parent = bare.slice(0, Math.max(0, bare.lastIndexOf("/"))).replace(/\/+$/, "");
  return listedPath(bare) ?? (isHsmPath(parent) ? parent : undefined);
};

/** Whether an object ought to belong to a secret, and has a label with which it can't. */
export const isMislabelled = ({ label, application }: Pick<TokenObject, "label" | "application">): boolean =>
  owners(label).length === 0 &&
  (!isPerKey(application) || application === PER_KEY_APPLICATION || intendedPath(label) !== undefined);

/**
 * The path under which a list shows a per-key label: three segments `secrets/<namespace>/<name>` are the bare key of
 * that path, any other label's last segment is its key. Undefined for a label that no secret can have.
 */
export const listedPath = (label: string): string | undefined => {
  const split = splitLast(label);
  if (split?.last === METADATA_SEGMENT) return split.parent;
  const bare = isHsmPath(label) && label !== METADATA_SEGMENT;
  if (bare && (split === undefined || /^secrets\/[^/]+\/[^/]+$/.test(label))) return label;
  return split?.parent;
};

/** The path that a per-key object counts for, if only as one with a label that no key can have. */
export const shownPath = (label: string): string | undefined => listedPath(label) ?? intendedPath(label);
