// SPDX-License-Identifier: Apache-2.0
// Turns what was read of the token into a Secret's data, unless it is older than what was applied or Kubernetes would reject it.
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { type ChecksummedData, checksummed } from "../checksum.ts";
import { bytesOfBase64Map, fromBase64, isSecretKey, MAX_SECRET_BYTES, ownProperty } from "../formats.ts";
import type { StringMap } from "../kubernetes.ts";
import { annotationOf } from "../metadata.ts";
import { type Assessment, isAsSynced } from "./assessment.ts";
import { isUnedited, type OwnedSecret } from "./observed.ts";
import type { Reading } from "./reading.ts";
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

/** The annotation of a Secret: path, version and device of the reading that its data were made of. */
export const APPLIED = "hsm.j5t.io/applied";

const Applied = Type.Object({
  path: Type.String(),
  /** As the agent counts writes of the path; 0 where its writer does not count. */
  version: Type.Integer({ minimum: 0 }),
  device: Type.String(),
});

type Applied = Static<typeof Applied>;

const applied = TypeCompiler.Compile(Applied);

type Found = Extract<Reading, { outcome: "found" }>;

/** The annotation for data that were made of `reading`. */
export const appliedText = ({ hsmPath }: ResolvedSpec, { version, device }: Found): string =>
  JSON.stringify({ path: hsmPath, version, device });

/** What was last read or applied of the path: by the status, or by the Secret, which a status may lag behind. */
const lastKnown = ({ spec: { hsmPath: path }, before, observed }: Assessment): Applied | undefined => {
  const noted = observed.owned && annotationOf(observed.owned.secret, APPLIED, applied);
  const { hsmPath, lastReading } = before;
  const read = hsmPath === path && lastReading !== undefined ? { path, ...lastReading } : undefined;
  if (noted?.path !== path) return read;
  return read !== undefined && read.version > noted.version ? read : noted;
};

/** Whether `reading` may be what the path held before `last`, or something that has never followed it. */
const isBehind = ({ before, context }: Assessment, last: Applied | undefined, reading: Found): boolean => {
  // What one token holds is what it holds, also where its versions begin anew.
  if (last === undefined || last.device === reading.device) return false;
  // An agent that has gone for good, or has another name now, does not hold up the one in its place.
  if (reading.mirror !== true && !context.agents.includes(last.device)) return false;
  if (reading.version !== last.version) return reading.version < last.version;
  if (reading.mirror !== true) return false;
  const isKnown = before.hsmPath === last.path && before.lastReading?.version === last.version;
  return !(isKnown && context.checksums.fits(before.hsmChecksum, reading.checksum));
};

/** Whether the Secret holds what `reading` says, and nobody has edited it to be so. */
const isHeld = (assessment: Assessment, owned: OwnedSecret, reading: Found): boolean => {
  const { spec, context } = assessment;
  if (!isAsSynced(assessment, owned)) return false;
  if (spec.writeBack !== "Never" && isUnedited(owned, context.checksums) !== true) return false;
  const content = contentOf(spec, reading);
  return content.ok && content.content.checksum === owned.whole.checksum;
};

/**
 * `reading` as far as it can be believed. Where several agents are asked in order, the first may be down and the next may
 * have a token that lags: an older version than was applied is no news, and one that nobody can place is none either
 * where a Secret is there. Where spec.device names the agent, its token counts, whatever it holds.
 */
export const withoutStale = (assessment: Assessment, reading: Reading | undefined): Reading | undefined => {
  const { spec, observed } = assessment;
  if (reading?.outcome !== "found" || spec.device !== undefined) return reading;
  const { owned } = observed;
  const last = lastKnown(assessment);
  const isUnplaced = last === undefined && reading.mirror === true && owned !== undefined;
  if (!isUnplaced && !isBehind(assessment, last, reading)) return reading;
  if (owned !== undefined && isHeld(assessment, owned, reading)) {
    return { outcome: "unchanged", device: reading.device, ...(reading.mirror && { mirror: true }) };
  }
  const known = last === undefined ? "an unknown version" : `version ${last.version} of ${last.device}`;
  return {
    outcome: "unavailable",
    code: "AGENT_BEHIND",
    message: `agent ${reading.device} holds version ${reading.version} of ${spec.hsmPath}, and ${known} was applied: what may be older is not. Write the secret to the first of the agents, or name the one that counts in spec.device.`,
  };
};
