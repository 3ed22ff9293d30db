// SPDX-License-Identifier: Apache-2.0
// What Kubernetes would not take of spec.template: OpenAPI can't check the keys of a map, so the hook does.
import type { ResolvedSpec } from "./resolved-spec.ts";

/** A qualified name: an optional DNS prefix and a slash, then 63 characters at most. */
const NAME = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** The fault of the template in words, naming the field; undefined where there is none. */
export const templateFault = (spec: ResolvedSpec): string | undefined => {
  for (const field of ["labels", "annotations"] as const) {
    const bad = Object.keys(spec[field]).find((key) => !NAME.test(key));
    if (bad !== undefined) {
      return `spec.template.${field}: ${JSON.stringify(bad)} is not a qualified name. Write it as example.com/name or name.`;
    }
  }
  return undefined;
};
