// SPDX-License-Identifier: Apache-2.0
// Validates labels and annotations as apimachinery does: OpenAPI can't check the keys of a map or the total size of
// annotations.
import { isObjectName, LABEL_VALUE } from "./formats.ts";
import type { StringMap } from "./kubernetes.ts";

export type Field = "labels" | "annotations";

/** The name in a key, behind the prefix. */
const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE = new RegExp(LABEL_VALUE);
const MAX_VALUE = 63;
/** Of all keys and values of an object's annotations together, in bytes (TotalAnnotationSizeLimitB). */
const MAX_ANNOTATIONS = 256 * 1024;
/** What of it is left for the annotations of Keyswitch, Metacontroller and kubectl. */
const RESERVED = 16 * 1024;

/** Whether Kubernetes takes `key`: a qualified name, whose prefix may have capitals in annotations alone. */
export const isKey = (field: Field, key: string): boolean => {
  const [name = "", prefix, ...rest] = key.split("/").reverse();
  if (rest.length > 0 || !NAME.test(name)) return false;
  if (prefix === undefined) return true;
  return isObjectName(field === "annotations" ? prefix.toLowerCase() : prefix);
};

/** Whether Kubernetes takes `value` under a key of `field`. */
export const isValue = (field: Field, value: string): boolean =>
  field === "annotations" || (value.length <= MAX_VALUE && VALUE.test(value));

const bytesOf = (map: StringMap): number =>
  Object.entries(map).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );

/** Whether annotations of a template fit on an object, beside those that it gets anyway. */
export const isWithinSizeLimit = (annotations: StringMap): boolean =>
  bytesOf(annotations) <= MAX_ANNOTATIONS - RESERVED;

/** What Kubernetes would refuse of `map`, in words behind the field's name; undefined where it takes all. */
export const faultOf = (field: Field, map: StringMap): string | undefined => {
  for (const [key, value] of Object.entries(map)) {
    if (!isKey(field, key)) {
      return `${JSON.stringify(key)} is not a qualified name. Write it as example.com/name or name.`;
    }
    if (!isValue(field, value)) {
      return `the value of ${JSON.stringify(key)} is none that a label can have: at most ${MAX_VALUE} letters, digits, "-", "_" and ".", with a letter or digit at both ends.`;
    }
  }
  return field === "labels" || isWithinSizeLimit(map)
    ? undefined
    : `they have ${bytesOf(map)} bytes together, and ${MAX_ANNOTATIONS - RESERVED} can be given. Make them shorter.`;
};
