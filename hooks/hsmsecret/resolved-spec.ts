// SPDX-License-Identifier: Apache-2.0
// Fills in the defaults of an HSMSecret's spec.
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
