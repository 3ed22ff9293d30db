// SPDX-License-Identifier: Apache-2.0
// Validates the labels and annotations of spec.template, and filters those that Kubernetes would reject or that are reserved.
import type { StringMap } from "../kubernetes.ts";
import { type Field, faultOf, isKey, isValue, isWithinSizeLimit } from "../metadata-rules.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

/** Keys that belong to kubectl, Metacontroller and Keyswitch. */
const isReserved = (key: string): boolean =>
  key === "controller-uid" || key.startsWith("hsm.j5t.io/") || key.endsWith("/last-applied-configuration");

/**
 * The entries of a template's `map` that a Secret may get. Of annotations that are too long together, those that it has
 * already: they fit.
 */
export const allowed = (field: Field, map: StringMap, has: StringMap = {}): StringMap =>
  Object.fromEntries(
    Object.entries(map).filter(
      ([key, value]) =>
        isKey(field, key) &&
        isValue(field, value) &&
        !isReserved(key) &&
        (field === "labels" || has[key] === value || isWithinSizeLimit(map)),
    ),
  );

/** The fault of the template in words, naming the field; undefined where there is none. */
export const templateFault = (spec: ResolvedSpec): string | undefined => {
  for (const field of ["labels", "annotations"] as const) {
    const fault = faultOf(field, spec[field]);
    if (fault !== undefined) return `spec.template.${field}: ${fault}`;
    const reserved = Object.keys(spec[field]).find(isReserved);
    if (reserved !== undefined) {
      return `spec.template.${field}: ${JSON.stringify(reserved)} can't be set in a template. Leave it out.`;
    }
  }
  return undefined;
};
