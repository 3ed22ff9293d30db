// SPDX-License-Identifier: Apache-2.0
// Parses the bot's lists of users: ALLOWED_USERS, and the identities that TRUSTED_IDENTITIES pins beforehand.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

/** A user and the public master key of their cross-signing identity, Ed25519 in unpadded base64. */
export type TrustedIdentity = { user: string; masterKey: string };

/**
 * A full Matrix user id. Historical local parts hold more than today's, so that only what ends one or can't be seen is
 * kept out, and the comma that separates entries. https://spec.matrix.org/latest/appendices/#user-identifiers
 */
export const UserId = Type.String({
  pattern: "^@[^:\\s,\\x00-\\x1f\\x7f]+:(\\[[0-9A-Fa-f:.]{2,45}\\]|[A-Za-z0-9.-]{1,230})(:[0-9]{1,5})?$",
  maxLength: 255,
});

/** 32 bytes in base64; the padding is optional, as clients show keys without it. */
const IDENTITY = /^(@[^:]*:[^=]+)=([A-Za-z0-9+/]{43})=?$/;

/** The entries of a comma-separated list; empty ones don't count. */
const entriesOf = (list: string): string[] =>
  list
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");

/** The user ids of a list, each once, and what is wrong with it. A message names an entry by its place alone. */
export const parseUsers = (list: string): { users: string[]; faults: string[] } => {
  const entries = entriesOf(list);
  if (entries.length === 0) return { users: [], faults: ["must name at least one user"] };
  const faults = entries.flatMap((entry, index) =>
    Value.Check(UserId, entry)
      ? []
      : [`entry ${index + 1} must be a full user id such as @alice:example.org`],
  );
  return { users: [...new Set(entries)], faults };
};

/** The identities of a list, `@user:server=key,…`, and what is wrong with it. `users` are those who may have one. */
export const parseIdentities = (
  list: string,
  users: readonly string[],
): { identities: TrustedIdentity[]; faults: string[] } => {
  const identities: TrustedIdentity[] = [];
  const faults: string[] = [];
  for (const [index, entry] of entriesOf(list).entries()) {
    const [, user = "", masterKey = ""] = IDENTITY.exec(entry) ?? [];
    const place = `entry ${index + 1}`;
    if (!Value.Check(UserId, user) || !isCanonical(masterKey)) {
      faults.push(`${place} must be @user:server=key, with the 43 characters of an Ed25519 key in base64`);
    } else if (!users.includes(user)) {
      faults.push(`${place} (${user}) is for a user that ALLOWED_USERS does not name`);
    } else if (identities.some((known) => known.user === user)) {
      faults.push(`${place} (${user}) is the second for this user`);
    } else identities.push({ user, masterKey });
  }
  return { identities, faults };
};

/** Whether the last character's spare bits are zero: one key has one text then. */
const isCanonical = (base64: string): boolean =>
  Buffer.from(base64, "base64").toString("base64").replace(/=$/, "") === base64 && base64 !== "";
