// SPDX-License-Identifier: Apache-2.0
// Validates what Kubernetes and the token take as names, keys, paths, labels and annotations, and reads maps from outside: base64,
// own properties alone, and in order, so that the same content gives the same bytes.
import type { StringMap } from "./kubernetes.ts";

/** What the value of a label may be, beside at most 63 characters. */
export const LABEL_VALUE = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";

/** What the name of a namespace may be (RFC 1123 label). */
export const DNS_LABEL = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";

/** What most names of objects may be (RFC 1123 subdomain), beside at most MAX_NAME characters. */
export const DNS_SUBDOMAIN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/** What is taken as the name of an agent and of its node, beside at most MAX_NAME characters: looser than a subdomain at its dots. */
export const AGENT_NAME = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";

/** The longest name of an object, and key of a Secret, in characters. */
export const MAX_NAME = 253;

/** Kubernetes' limit on the sum of a Secret's values, in bytes (core/v1 MaxSecretSize). */
export const MAX_SECRET_BYTES = 1024 * 1024;

const namespace = new RegExp(DNS_LABEL);
const subdomain = new RegExp(DNS_SUBDOMAIN);

/** Whether `name` can be the name of a namespace. */
export const isNamespace = (name: string): boolean => namespace.test(name);

/** Whether `name` can be the name of a Secret, a Toggle, an HSMSecret and most other objects. */
export const isObjectName = (name: string): boolean => name.length <= MAX_NAME && subdomain.test(name);

/** Whether Kubernetes takes `key` in a Secret. */
export const isSecretKey = (key: string): boolean =>
  key.length <= MAX_NAME && /^[-._a-zA-Z0-9]+$/.test(key) && key !== "." && !key.startsWith("..");

/** Whether `text` is base64 (RFC 4648, section 4), padded and canonical: Node decodes leniently, and takes anything for it. */
export const isBase64 = (text: string): boolean => {
  const last = text.slice(-4);
  // Not a pattern of quartets: at 8 MiB it would overflow V8's stack for regular expressions.
  return (
    text.length % 4 === 0 &&
    !/[^A-Za-z0-9+/]/.test(text.slice(0, -4)) &&
    Buffer.from(last, "base64").toString("base64") === last
  );
};

/** The base64 of bytes, or of a text's UTF-8. */
export const toBase64 = (value: Uint8Array | string): string => Buffer.from(value).toString("base64");

/** The bytes of base64 that is known to be some. */
export const fromBase64 = (base64: string): Buffer => Buffer.from(base64, "base64");

/** Values as `data` of a Secret and of the agent's bodies has them. A null, which removes a key from a secret, stays one. */
export function toBase64Map(values: Iterable<readonly [string, Uint8Array | string]>): StringMap;
export function toBase64Map(
  values: Iterable<readonly [string, Uint8Array | string | null]>,
): Record<string, string | null>;
export function toBase64Map(
  values: Iterable<readonly [string, Uint8Array | string | null]>,
): Record<string, string | null> {
  return Object.fromEntries(
    Array.from(values, ([key, value]) => [key, value === null ? null : toBase64(value)]),
  );
}

/** The same the other way round. A Map: a key may be called `__proto__`. */
export function fromBase64Map(data: StringMap): Map<string, Buffer>;
export function fromBase64Map(data: Readonly<Record<string, string | null>>): Map<string, Buffer | null>;
export function fromBase64Map(data: Readonly<Record<string, string | null>>): Map<string, Buffer | null> {
  return new Map(
    Object.entries(data).map(([key, value]) => [key, value === null ? null : fromBase64(value)]),
  );
}

/** How many bytes the values of `data` have together. */
export const bytesOfBase64Map = (data: Readonly<Record<string, string | null>>): number =>
  Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value ?? "", "base64"), 0);

/** The longest path, in bytes; all its characters are ASCII. */
export const MAX_PATH_BYTES = 255;

/** One segment as a regular expression source; `.` and `..` are refused beside it. */
const SEGMENT = "(?!\\.{1,2}(?:/|$))[A-Za-z0-9._-]+";

/** The whole path as a regular expression source, also used in the CRD (RE2 has no lookahead: see PATH_PATTERN_RE2). */
const PATH_PATTERN = `^${SEGMENT}(?:/${SEGMENT})*$`;

/** PATH_PATTERN without lookahead, for Kubernetes' RE2; the `.` and `..` segments are refused by a CEL rule there. */
export const PATH_PATTERN_RE2 = "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$";

const path = new RegExp(PATH_PATTERN);

/** Whether `candidate` is a well-formed path. */
export const isHsmPath = (candidate: string): boolean =>
  candidate.length <= MAX_PATH_BYTES && path.test(candidate);

export type MetadataField = "labels" | "annotations";

/** The name in a key, behind the prefix. */
const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE = new RegExp(LABEL_VALUE);
const MAX_VALUE = 63;
/** Of all keys and values of an object's annotations together, in bytes (TotalAnnotationSizeLimitB). */
const MAX_ANNOTATIONS = 256 * 1024;
/** What of it is left for the annotations of Keyswitch, Metacontroller and kubectl. */
const RESERVED = 16 * 1024;

/** Whether Kubernetes takes `key`: a qualified name, whose prefix may have capitals in annotations alone. */
export const isMetadataKey = (field: MetadataField, key: string): boolean => {
  const [name = "", prefix, ...rest] = key.split("/").reverse();
  if (rest.length > 0 || !NAME.test(name)) return false;
  if (prefix === undefined) return true;
  return isObjectName(field === "annotations" ? prefix.toLowerCase() : prefix);
};

/** Whether Kubernetes takes `value` under a key of `field`. */
export const isMetadataValue = (field: MetadataField, value: string): boolean =>
  field === "annotations" || (value.length <= MAX_VALUE && VALUE.test(value));

const bytesOf = (map: StringMap): number =>
  Object.entries(map).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );

/** Whether annotations of a template fit on an object, beside those that it gets anyway. */
export const fitsAnnotations = (annotations: StringMap): boolean =>
  bytesOf(annotations) <= MAX_ANNOTATIONS - RESERVED;

/** What Kubernetes would refuse of `map`, in words behind the field's name; undefined where it takes all. */
export const metadataFault = (field: MetadataField, map: StringMap): string | undefined => {
  for (const [key, value] of Object.entries(map)) {
    if (!isMetadataKey(field, key)) {
      return `${JSON.stringify(key)} is not a qualified name. Write it as example.com/name or name.`;
    }
    if (!isMetadataValue(field, value)) {
      return `the value of ${JSON.stringify(key)} is none that a label can have: at most ${MAX_VALUE} letters, digits, "-", "_" and ".", with a letter or digit at both ends.`;
    }
  }
  return field === "labels" || fitsAnnotations(map)
    ? undefined
    : `they have ${bytesOf(map)} bytes together, and ${MAX_ANNOTATIONS - RESERVED} can be given. Make them shorter.`;
};

/** The value of `map` under `key`; undefined for `constructor` and its like, unless the map has such a key of its own. */
export const ownProperty = <T>(map: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(map, key) ? map[key] : undefined;

/** The entries of `map` by key. */
export const sortedEntries = <T>(map: Readonly<Record<string, T>>): [string, T][] =>
  Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));

/** `map` with its keys in order. */
export const sorted = <T>(map: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(sortedEntries(map));
