// SPDX-License-Identifier: Apache-2.0
// Validates the names that Kubernetes takes for objects and for keys of a Secret, and converts base64 maps.
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
