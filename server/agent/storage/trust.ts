// SPDX-License-Identifier: Apache-2.0
// Separates a path's trusted objects from others: one that is not CKA_PRIVATE can be created without the PIN by whoever reaches
// the token.
import { isPerKey, JOURNAL_APPLICATION, PACKED_APPLICATION, type TokenObject } from "./path.ts";
import { type Decoded, decodeSecret, type ObjectName } from "./secret.ts";

/** What was read of a path: `distrusted` counts for nothing, and is there. */
export type Trusted<Name, Read> = { objects: Read[]; unread: Name[]; distrusted: Read[] };

/**
 * Believes private objects alone. With `readsPublic`, for modules that can't keep data objects private, also public ones of
 * the per-key layout where the path has no private object: one shows that the module can. Never public packed ones.
 */
export const trustedOf = <Name extends ObjectName, Read extends TokenObject>(
  { objects, unread }: { objects: readonly Read[]; unread: readonly Name[] },
  readsPublic: boolean,
): Trusted<Name, Read> => {
  const hasPrivate = [...objects, ...unread].some(({ isPublic = false }) => !isPublic);
  const isBelieved = ({ isPublic = false, application }: ObjectName): boolean =>
    !isPublic || (readsPublic && !hasPrivate && application !== PACKED_APPLICATION);
  return {
    objects: objects.filter(isBelieved),
    // Beside a private object it is none that could be missing; alone, the path is not absent.
    unread: unread.filter((object) => isBelieved(object) || !hasPrivate),
    distrusted: objects.filter((object) => !isBelieved(object)),
  };
};

const distrustedContent = (path: string, { label }: ObjectName): Decoded => ({
  kind: "invalid",
  message: `${path}: the object ${JSON.stringify(label)} is not private (CKA_PRIVATE), so that anybody can have made it without the PIN; write it anew as a private one and remove this one (kubectl hsm list --invalid names all; PKCS11_PUBLIC_OBJECTS)`,
});

/**
 * The secret at `path`, from what is believed. What is not believed changes no value; where it could be what is missing (there
 * is no secret without it, or a per-key secret would have one key more), the path is `invalid` and neither absent nor whole.
 */
export const decodeTrusted = (
  path: string,
  { objects, unread, distrusted }: Trusted<ObjectName, TokenObject>,
): Decoded => {
  const decoded = decodeSecret(path, objects, unread);
  if (decoded.kind === "invalid") return decoded;
  if (decoded.kind === "absent") {
    const [some] = distrusted.filter(({ application }) => application !== JOURNAL_APPLICATION);
    return some === undefined ? decoded : distrustedContent(path, some);
  }
  if (decoded.layout === "packed") return decoded;
  const believed = new Set(objects.map(({ label }) => label));
  const extra = distrusted.find(({ label, application }) => isPerKey(application) && !believed.has(label));
  return extra === undefined ? decoded : distrustedContent(path, extra);
};
