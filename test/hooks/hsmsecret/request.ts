// SPDX-License-Identifier: Apache-2.0
// Builds hook requests for tests: an HSMSecret demo/app, the Secrets that Metacontroller shows with it, and readings.
import { type ChecksumKey, checksumOfBase64, keyedChecksums } from "../../../hooks/checksum.ts";
import { toBase64Map } from "../../../hooks/formats.ts";
import type { HookContext, HSMSecretSyncRequest, Reading } from "../../../hooks/hsmsecret/index.ts";
import type { HSMSecretSpec } from "../../../hooks/hsmsecret/schema.ts";
import type { ObjectMeta, Secret, StringMap } from "../../../hooks/kubernetes.ts";

export const UID = "68455439-0481-4aba-a161-cd23399165db";

/** A key of checksums of this id (8 hex digits). */
export const checksumKey = (id: string): ChecksumKey => ({ id, secret: Buffer.from(`key ${id} of a test`) });
export const checksums = keyedChecksums([checksumKey("aaaaaaaa")], false);
/** The agents in order; readings are of the first unless they say otherwise. */
const agents = ["pico", "second"];
export const context: HookContext = { policy: [], agents, checksums, now: "2026-11-22T10:00:00Z" };
export const later: HookContext = { policy: [], agents, checksums, now: "2026-11-22T11:30:00Z" };

/** `data` with its values in base64. */
export const base64 = (data: StringMap): StringMap => toBase64Map(Object.entries(data));

/** A Secret of demo/app's HSMSecret, or of whoever `meta` says. */
export const secret = (
  data: StringMap,
  meta: Partial<ObjectMeta> = {},
  rest: Partial<Secret> = {},
): Secret => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: {
    name: "app",
    namespace: "demo",
    resourceVersion: "7",
    labels: { "app.kubernetes.io/managed-by": "keyswitch", "controller-uid": UID },
    ownerReferences: [
      {
        apiVersion: "hsm.j5t.io/v1alpha1",
        kind: "HSMSecret",
        name: "app",
        uid: UID,
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
    ...meta,
  },
  type: "Opaque",
  data: base64(data),
  ...rest,
});

/** A Secret that somebody else made. */
export const foreign = (
  data: StringMap,
  meta: Partial<ObjectMeta> = {},
  rest: Partial<Secret> = {},
): Secret => secret(data, { labels: {}, ownerReferences: [], ...meta }, rest);

export interface RequestParts {
  readonly spec?: HSMSecretSpec;
  readonly status?: Record<string, unknown>;
  readonly metadata?: Partial<ObjectMeta>;
  /** Owned Secrets, shown under children and, by name, under related. */
  readonly owned?: readonly Secret[];
  /** The Secret of the name under related only; "no-hook" leaves related empty, as without a customize hook. */
  readonly related?: Secret | "no-hook";
  readonly finalizing?: boolean;
}

const byName = (secrets: readonly Secret[]): Record<string, Secret> =>
  Object.fromEntries(secrets.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one]));

/** A sync request, as Metacontroller sends it. */
export const request = (parts: RequestParts = {}): HSMSecretSyncRequest => {
  const owned = parts.owned ?? [];
  const related =
    parts.related === "no-hook" ? undefined : [...owned, ...(parts.related ? [parts.related] : [])];
  return {
    controller: {
      apiVersion: "metacontroller.k8s.io/v1alpha1",
      kind: "CompositeController",
      metadata: { name: "hsmsecret" },
    },
    parent: {
      apiVersion: "hsm.j5t.io/v1alpha1",
      kind: "HSMSecret",
      metadata: {
        name: "app",
        generation: 1,
        ...parts.metadata,
        namespace: "demo",
        uid: UID,
      },
      spec: parts.spec ?? {},
      ...(parts.status === undefined ? {} : { status: parts.status }),
    },
    children: { "Secret.v1": byName(owned) },
    related: related === undefined ? {} : { "Secret.v1": byName(related) },
    finalizing: parts.finalizing ?? false,
  };
};

/** A reading that found `data`. */
export const found = (data: StringMap): Extract<Reading, { outcome: "found" }> => ({
  outcome: "found",
  data: base64(data),
  checksum: checksumOfBase64(base64(data)),
  version: 1,
  device: "pico",
});

export const absent: Reading = { outcome: "absent", device: "pico" };
export const unchanged: Reading = { outcome: "unchanged", device: "pico" };
export const unavailable: Reading = {
  outcome: "unavailable",
  code: "TOKEN_UNAVAILABLE",
  message: "The token is not in the reader.",
};
