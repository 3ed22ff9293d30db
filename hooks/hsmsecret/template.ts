// SPDX-License-Identifier: Apache-2.0
// What Kubernetes would not take of spec.template: OpenAPI can't check the keys of a map, so the hook does.
import type { ResolvedSpec } from "./resolved-spec.ts";

/** A qualified name: an optional DNS prefix and a slash, then 63 characters at most. */
const NAME = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** Keys that belong to kubectl, Metacontroller and Keyswitch. */
const isReserved = (key: string): boolean =>
  key === "controller-uid" || key.startsWith("hsm.j5t.io/") || key.endsWith("/last-applied-configuration");

/** Whether a template may have `key` as the key of a label or an annotation. */
export const isTemplateKey = (key: string): boolean => NAME.test(key) && !isReserved(key);

/** The fault of the template in words, naming the field; undefined where there is none. */
export const templateFault = (spec: ResolvedSpec): string | undefined => {
  for (const field of ["labels", "annotations"] as const) {
    for (const key of Object.keys(spec[field])) {
      const where = `spec.template.${field}: ${JSON.stringify(key)}`;
      if (!NAME.test(key)) return `${where} is not a qualified name. Write it as example.com/name or name.`;
      if (isReserved(key)) return `${where} can't be set in a template. Leave it out.`;
    }
  }
  return undefined;
};
