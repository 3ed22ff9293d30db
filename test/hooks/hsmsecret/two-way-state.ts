// SPDX-License-Identifier: Apache-2.0
// Defines the state of the two-way sync's model: a token, a Secret under server-side apply, and a status.
import { baseOf, ownedSecretOf } from "../../../hooks/hsmsecret/observed.ts";
import type { HSMSecretSpec } from "../../../hooks/hsmsecret/schema.ts";
import type { Secret, StringMap } from "../../../hooks/kubernetes.ts";
import { dataOf, type Keys, managedFieldsOf } from "./cluster-keys.ts";
import { secret } from "./request.ts";

export const MARK = "hsm.j5t.io/replaced-resource-version";
export const BASE = "hsm.j5t.io/base";

/** What the token holds at the path: base64 values, and the note of the last writer that left one. */
export interface Held {
  readonly data: StringMap;
  readonly source?: string;
}

/** Our Secret in the cluster. */
export interface Cluster {
  readonly uid: string;
  readonly version: number;
  readonly annotations: StringMap;
  readonly keys: Keys;
}

/** What is remembered to tell whether an update was lost; no hook sees it. */
export interface Memory {
  /** The content that the two sides last had in common: what differs from it is an update that is on its way. */
  readonly common: string;
  /** What the Secret says although the token holds nothing, since the user has chosen that. */
  readonly accepted?: string;
  /** The two contents for which a Conflict was last shown, and what the user chose after that. */
  readonly shown?: string;
  readonly chosen?: string;
  /** A write has landed and the Secret has not been told yet: what was common, and on the token, before it. */
  readonly torn?: { readonly common: string; readonly token: string };
}

export interface World {
  readonly spec: HSMSecretSpec;
  readonly token: Held | undefined;
  readonly outage: boolean;
  readonly secret: Cluster | undefined;
  /** The answer's child as Metacontroller last applied it. */
  readonly applied: string | undefined;
  readonly status: Record<string, unknown> | undefined;
  readonly resolve: string | undefined;
  readonly clock: number;
  readonly memory: Memory;
}

/** A world in which nothing has been synced yet. */
export const begin = (spec: HSMSecretSpec, token: Held | undefined): World => ({
  spec: { ...spec, writeBack: "OnChange" },
  token,
  outage: false,
  secret: undefined,
  applied: undefined,
  status: undefined,
  resolve: undefined,
  clock: 1,
  memory: { common: "nothing" },
});

/** The Secret as the hooks get it. */
export const shownSecret = ({ uid, version, annotations, keys }: Cluster): Secret =>
  secret(
    {},
    {
      uid,
      resourceVersion: String(version),
      annotations: { ...annotations },
      managedFields: managedFieldsOf(keys),
    },
    { data: dataOf(keys) },
  );

/** Contents as text, to compare them. */
export const sorted = (data: StringMap): string => JSON.stringify(Object.entries(data).sort());

/** What the Secret says: its keys without those on their way out and, with a mapping, without those that have no place. */
export const secretSays = ({ secret: cluster, spec }: World): StringMap | undefined => {
  if (cluster === undefined) return undefined;
  const names = spec.data?.map(({ key }) => key);
  const held = Object.entries(ownedSecretOf(shownSecret(cluster), {}).held.data);
  return Object.fromEntries(held.filter(([key]) => names === undefined || names.includes(key)));
};

/** What the token says, by the keys of the Secret. */
export const tokenSays = ({ token, spec }: World): StringMap | undefined => {
  if (token === undefined || spec.data === undefined) return token?.data;
  const pairs = spec.data.map(({ key, hsmKey }) => [key, token.data[hsmKey]] as const);
  return Object.fromEntries(pairs.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
};

/** What a side says, as text; `nothing` where it says nothing. */
export const text = (said: StringMap | undefined): string => (said === undefined ? "nothing" : sorted(said));
/** What the two sides say. */
export const pairOf = (world: World): string => `${text(tokenSays(world))} | ${text(secretSays(world))}`;
export const areEqual = (world: World): boolean => text(tokenSays(world)) === text(secretSays(world));

/** The reason of the condition Ready. */
export const readyReason = (status: Record<string, unknown> | undefined): unknown => {
  const [ready] = (status?.conditions ?? []) as { reason?: unknown }[];
  return ready?.reason;
};

/** The Secret's mark is only good for telling whether the token's note, and what was last applied, are of the same time. */
export const canonical = (world: World): string => {
  const { secret: cluster, token, applied, status, memory } = world;
  const mark = cluster?.annotations[MARK];
  const [uid, noted, agreed] = token?.source?.replace("keyswitch:", "").split("/") ?? [];
  const live = cluster !== undefined && uid === cluster.uid && noted === (mark ?? "");
  const appliedMark = applied?.match(/replaced-resource-version":"(\d+)"/)?.[1];
  return JSON.stringify([
    world.outage,
    world.resolve,
    memory,
    // No hook looks at what else is in a status, such as its messages.
    status && [readyReason(status), status.syncStatus, status.hsmChecksum, status.secretChecksum],
    status && [status.conflict, status.lastResolve],
    token && [sorted(token.data), live ? agreed : token.source === undefined],
    cluster && [Object.entries(cluster.keys).sort(), cluster.annotations[BASE], mark === undefined],
    appliedMark === mark ? applied?.replace(/replaced-resource-version":"\d+"/, "") : "",
  ]);
};

/** Whether the Secret carries a base at all: a world without it would show nothing. */
export const hasBase = (world: World): boolean =>
  world.secret !== undefined && baseOf(shownSecret(world.secret)) !== undefined;
