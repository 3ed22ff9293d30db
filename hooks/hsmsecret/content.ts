// SPDX-License-Identifier: Apache-2.0
// Turns what was read of the token into a Secret's data, unless Kubernetes would reject it.
import { type ChecksummedData, checksummed } from "../checksum.ts";
import { bytesOfBase64Map, fromBase64, isSecretKey, MAX_SECRET_BYTES, ownProperty } from "../formats.ts";
import type { StringMap } from "../kubernetes.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

/** Keys that the API server insists on for the built-in types; any one of a group will do. */
const REQUIRED_KEYS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "kubernetes.io/tls": [["tls.crt"], ["tls.key"]],
  "kubernetes.io/dockerconfigjson": [[".dockerconfigjson"]],
  "kubernetes.io/dockercfg": [[".dockercfg"]],
  "kubernetes.io/ssh-auth": [["ssh-privatekey"]],
  "kubernetes.io/basic-auth": [["username", "password"]],
};

/** Keys whose value the API server reads as a JSON object (core/v1 validation; `null` passes there). */
const JSON_KEYS: Readonly<Record<string, string>> = {
  "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
  "kubernetes.io/dockercfg": ".dockercfg",
};
/** Keys whose value may not be empty. */
const FILLED_KEYS: Readonly<Record<string, string>> = { "kubernetes.io/ssh-auth": "ssh-privatekey" };

const SERVICE_ACCOUNT = "kubernetes.io/service-account.name";

export type Content =
  | { readonly ok: true; readonly content: ChecksummedData }
  | { readonly ok: false; readonly reason: "InvalidKey" | "TooLarge"; readonly message: string };

const listed = (keys: readonly string[]): string => keys.map((key) => JSON.stringify(key)).join(", ");

const invalid = (message: string): Content => ({ ok: false, reason: "InvalidKey", message });

const isJsonObject = (base64: string): boolean => {
  try {
    const value: unknown = JSON.parse(fromBase64(base64).toString());
    return typeof value === "object" && !Array.isArray(value);
  } catch {
    return false;
  }
};

/** What the API server would refuse of `data` for their type, beside keys that are not there. Never tells a value. */
const typeFault = (
  { secretType, hsmPath, annotations }: ResolvedSpec,
  data: StringMap,
): string | undefined => {
  const own = <V>(map: Readonly<Record<string, V>>) =>
    Object.hasOwn(map, secretType) ? map[secretType] : undefined;
  const json = own(JSON_KEYS);
  if (json !== undefined && !isJsonObject(data[json] ?? "")) {
    return `The key ${json} at ${hsmPath} is not a JSON object, which a Secret of type ${secretType} needs. Write it to the token anew, or set spec.secretType to Opaque.`;
  }
  const filled = own(FILLED_KEYS);
  if (filled !== undefined && (data[filled] ?? "") === "") {
    return `The key ${filled} at ${hsmPath} is empty, which a Secret of type ${secretType} can't have. Write it to the token anew, or set spec.secretType to Opaque.`;
  }
  return secretType === "kubernetes.io/service-account-token" && !annotations[SERVICE_ACCOUNT]
    ? `A Secret of type ${secretType} needs the annotation ${SERVICE_ACCOUNT}. Kubernetes makes the data of such a Secret itself: choose another spec.secretType.`
    : undefined;
};

/** The data of the Secret that `spec` asks for, made of what the token holds at the path: all of it, or by its mapping. */
export const contentOf = (spec: ResolvedSpec, held: ChecksummedData): Content => {
  const { data: token } = held;
  const mapping = spec.data ?? Object.keys(token).map((key) => ({ key, hsmKey: key }));
  const missing = mapping.filter(({ hsmKey }) => !Object.hasOwn(token, hsmKey)).map(({ hsmKey }) => hsmKey);
  if (missing.length > 0) {
    return invalid(
      `spec.data: the token has no ${listed(missing.sort())} at ${spec.hsmPath}; it has ${listed(Object.keys(token).sort())}. Correct hsmKey, or write the key to the token.`,
    );
  }
  const unfit = mapping.map(({ key }) => key).filter((key) => !isSecretKey(key));
  if (unfit.length > 0) {
    return invalid(
      `A Secret can't have the key ${listed(unfit.sort())} (allowed: letters, digits, "-", "_" and "."; at most 253). Rename it on the token, or map it in spec.data.`,
    );
  }
  const data = Object.fromEntries(mapping.map(({ key, hsmKey }) => [key, ownProperty(token, hsmKey) ?? ""]));
  const lacking = (ownProperty(REQUIRED_KEYS, spec.secretType) ?? []).filter(
    (group) => !group.some((key) => Object.hasOwn(data, key)),
  );
  if (lacking.length > 0) {
    return invalid(
      `A Secret of type ${spec.secretType} needs the key ${lacking.map((group) => group.join(" or ")).join(" and ")}. Write it to the token at ${spec.hsmPath}, or map it in spec.data.`,
    );
  }
  const fault = typeFault(spec, data);
  if (fault !== undefined) return invalid(fault);
  const bytes = bytesOfBase64Map(data);
  if (bytes > MAX_SECRET_BYTES) {
    return {
      ok: false,
      reason: "TooLarge",
      message: `The values at ${spec.hsmPath} have ${bytes} bytes together and a Secret takes ${MAX_SECRET_BYTES}. Split them over several paths, or choose keys in spec.data.`,
    };
  }
  return { ok: true, content: spec.data === undefined ? held : checksummed(data) };
};
