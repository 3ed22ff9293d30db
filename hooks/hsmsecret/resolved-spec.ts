// SPDX-License-Identifier: Apache-2.0
// Fills in the defaults of an HSMSecret's spec, and validates its template's labels and annotations.
import {
  fitsAnnotations,
  isMetadataKey,
  isMetadataValue,
  type MetadataField,
  metadataFault,
} from "../formats.ts";
import type { StringMap } from "../kubernetes.ts";
import type { HSMSecret } from "./schema.ts";

/** The spec as the hooks work with it: nothing is left open but what has no default. */
export interface ResolvedSpec {
  readonly hsmPath: string;
  readonly secretName: string;
  readonly secretType: string;
  readonly autoSync: boolean;
  /** Seconds. */
  readonly syncInterval: number;
  readonly device?: string;
  readonly onMissing: "Retain" | "Delete";
  readonly writeBack: "Never" | "OnChange";
  readonly deletionPolicy: "Retain" | "Delete";
  readonly adopt: boolean;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly data?: readonly { readonly key: string; readonly hsmKey: string }[];
}

/** `parent`'s spec with the defaults of the CRD, and of its name and namespace, filled in. */
export const resolveSpec = (parent: HSMSecret): ResolvedSpec => {
  const { name, namespace } = parent.metadata;
  const spec = parent.spec ?? {};
  return {
    hsmPath: spec.hsmPath ?? `secrets/${namespace}/${name}`,
    secretName: spec.secretName ?? name,
    secretType: spec.secretType ?? "Opaque",
    autoSync: spec.autoSync ?? true,
    syncInterval: spec.syncInterval ?? 300,
    ...(spec.device !== undefined && { device: spec.device }),
    onMissing: spec.onMissing ?? "Retain",
    writeBack: spec.writeBack ?? "Never",
    deletionPolicy: spec.deletionPolicy ?? "Retain",
    adopt: spec.adopt ?? false,
    labels: spec.template?.labels ?? {},
    annotations: spec.template?.annotations ?? {},
    ...(spec.data !== undefined && { data: spec.data }),
  };
};

/** Keys that belong to kubectl, Metacontroller and Keyswitch. */
const isReserved = (key: string): boolean =>
  key === "controller-uid" || key.startsWith("hsm.j5t.io/") || key.endsWith("/last-applied-configuration");

/**
 * The entries of a template's `map` that a Secret may get. Of annotations that are too long together, those that it has
 * already: they fit.
 */
export const allowed = (field: MetadataField, map: StringMap, has: StringMap = {}): StringMap =>
  Object.fromEntries(
    Object.entries(map).filter(
      ([key, value]) =>
        isMetadataKey(field, key) &&
        isMetadataValue(field, value) &&
        !isReserved(key) &&
        (field === "labels" || has[key] === value || fitsAnnotations(map)),
    ),
  );

/** The fault of the template in words, naming the field; undefined where there is none. */
export const templateFault = (spec: ResolvedSpec): string | undefined => {
  for (const field of ["labels", "annotations"] as const) {
    const fault = metadataFault(field, spec[field]);
    if (fault !== undefined) return `spec.template.${field}: ${fault}`;
    const reserved = Object.keys(spec[field]).find(isReserved);
    if (reserved !== undefined) {
      return `spec.template.${field}: ${JSON.stringify(reserved)} can't be set in a template. Leave it out.`;
    }
  }
  return undefined;
};
