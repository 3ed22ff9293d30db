// SPDX-License-Identifier: Apache-2.0
// Enforces each namespace's quota on the token and the share that is reserved for the administrator, in one serial queue, so
// that two callers can't both take the last object.
import type { Quota } from "../../hooks/quota.ts";
import type { SecretSummary } from "../agent-api/schema.ts";
import { createBoundedQueue } from "../queue.ts";
import {
  type Change,
  type ChangeResult,
  type InfoResult,
  type Precondition,
  type Secret,
  type SecretStore,
  unavailable,
} from "./store.ts";

export type QuotaEnforcer = {
  /** Makes the change where it fits `quota`. One that needs no more than is used already always fits. */
  change(path: string, change: Change, precondition: Precondition, quota: Quota): Promise<ChangeResult>;
};

/** What a secret takes of the token: data objects, about, and bytes of its values. */
type Use = { objects: number; bytes: number };

const NOTHING: Use = { objects: 0, bytes: 0 };
/** Changes that may wait; one more is told to come back. */
const CAPACITY = 100;
/** Of the data objects that a token takes, the part that is kept for the administrator where nothing else is said. */
const RESERVED_PART = 0.1;

const busy = unavailable("TIMEOUT", "too many writes are waiting for the token; this one was not begun", 1);

type Described = Pick<Extract<InfoResult, { kind: "info" }>, "layout" | "maxObjectBytes">;

/** The per-key layout makes an object for each key and one for the metadata, the packed one splits what is too large. */
const useOf = (
  { keys, bytes, layout }: Pick<SecretSummary, "keys" | "bytes" | "layout">,
  token: Described,
): Use => {
  if ((layout ?? token.layout) === "per-key") return { objects: keys.length + 1, bytes };
  const names = keys.reduce((total, key) => total + key.length, 0);
  const parts = token.maxObjectBytes === null ? 1 : Math.ceil((bytes + names) / token.maxObjectBytes);
  return { objects: Math.max(1, parts), bytes };
};

/** What the path uses after `change`. */
const useAfter = (
  change: Extract<Change, { type: "put" | "patch" }>,
  before: Secret | undefined,
  token: Described,
): Use => {
  const data = new Map<string, Uint8Array | null>(change.type === "put" ? [] : before?.data);
  for (const [key, value] of change.data) data.set(key, value);
  const values = [...data].flatMap(([key, value]) => (value === null ? [] : [[key, value.length] as const]));
  const bytes = values.reduce((total, [, length]) => total + length, 0);
  return useOf({ keys: values.map(([key]) => key), bytes, layout: token.layout }, token);
};

/** What a secret with values of these sizes takes; nothing where it has none. */
export const useOfSecret = (sizes: ReadonlyMap<string, number>, token: Described): Use => {
  if (sizes.size === 0) return NOTHING;
  const bytes = [...sizes.values()].reduce((total, length) => total + length, 0);
  return useOf({ keys: [...sizes.keys()], bytes, layout: token.layout }, token);
};

const refused = (message: string): ChangeResult => ({ kind: "over-quota", message });

/** What `change` adds to what the path uses. */
const growthOf = (
  change: Extract<Change, { type: "put" | "patch" }>,
  before: Secret | undefined,
  token: Described,
): Use => {
  const after = useAfter(change, before, token);
  const now =
    before === undefined
      ? NOTHING
      : useAfter({ type: "put", data: before.data }, undefined, { ...token, layout: before.layout });
  return { objects: after.objects - now.objects, bytes: after.bytes - now.bytes };
};

/** Why `grown` more than `used` below the prefix of the quota is too much; undefined where it is not. */
const overQuota = ({ prefix, objects, bytes }: Quota, used: Use, grown: Use): ChangeResult | undefined => {
  const limits = { objects, bytes };
  for (const measure of ["objects", "bytes"] as const) {
    const limit = limits[measure];
    const after = used[measure] + grown[measure];
    if (limit !== undefined && grown[measure] > 0 && after > limit) {
      return refused(`${prefix} would have ${after} ${measure} on the token; its quota is ${limit}`);
    }
  }
  return undefined;
};

/** Why `grown` more would take of the administrator's share; undefined where it would not. */
const overShare = (
  { objects, objectLimit }: Extract<InfoResult, { kind: "info" }>,
  grown: Use,
  reservedObjects: number | undefined,
): ChangeResult | undefined => {
  if (objectLimit === null || grown.objects <= 0) return undefined;
  const share = reservedObjects ?? Math.ceil(objectLimit * RESERVED_PART);
  if (objects + grown.objects <= objectLimit - share) return undefined;
  return refused(
    `the token has ${objects} of ${objectLimit} data objects, and ${share} are kept for the administrator (RESERVED_OBJECTS)`,
  );
};

/** Why `grown` more does not fit the quota, or why that can't be known; undefined where it fits. */
const quotaFault = async (
  store: SecretStore,
  quota: Quota,
  grown: Use,
  token: Described,
): Promise<ChangeResult | undefined> => {
  if (quota.objects === undefined && quota.bytes === undefined) return undefined;
  const listed = await store.list(quota.prefix);
  if (listed.kind === "unavailable") return listed;
  const used = listed.secrets
    .map((secret) => useOf(secret, token))
    .reduce((a, b) => ({ objects: a.objects + b.objects, bytes: a.bytes + b.bytes }), NOTHING);
  return overQuota(quota, used, grown);
};

/** `reservedObjects`: a tenth of what the token takes, if not given. */
export const createQuotaEnforcer = (store: SecretStore, reservedObjects?: number): QuotaEnforcer => {
  const within = async (
    path: string,
    change: Extract<Change, { type: "put" | "patch" }>,
    quota: Quota,
  ): Promise<ChangeResult | undefined> => {
    const [before, token] = [await store.read(path), await store.info()];
    if (before.kind === "unavailable") return before;
    if (token.kind === "unavailable") return token;
    const grown = growthOf(change, before.kind === "found" ? before : undefined, token);
    const isCounted = path.startsWith(quota.prefix);
    const fault = isCounted ? await quotaFault(store, quota, grown, token) : undefined;
    return fault ?? overShare(token, grown, reservedObjects);
  };

  const queue = createBoundedQueue<() => Promise<ChangeResult>, ChangeResult>(
    CAPACITY,
    (work) => work(),
    () => {},
  );
  return {
    change: async (path, change, precondition, quota) => {
      const work = async (): Promise<ChangeResult> => {
        const isGrowing = change.type === "put" || change.type === "patch";
        const refusal = isGrowing ? await within(path, change, quota) : undefined;
        return refusal ?? store.change(path, change, precondition);
      };
      return queue.submit(work, new AbortController().signal) ?? busy;
    },
  };
};
