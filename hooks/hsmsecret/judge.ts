// SPDX-License-Identifier: Apache-2.0
// Under writeBack: who changed since the Secret and the token were last the same, and what follows from it.
import { checksumOfBase64 } from "../checksum.ts";
import type { KeyedChecksums } from "../keyed-checksum.ts";
import type { Secret, StringMap } from "../kubernetes.ts";
import { own } from "../own.ts";
import { mayWrite, quotaOf } from "../path-policy.ts";
import { baseOf, commonOf, heldData, mappedPart, noteOf, scopeOf } from "./base.ts";
import { contentOf } from "./content.ts";
import type { HookContext } from "./context.ts";
import type { Reading } from "./reading.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import { type HSMSecret, RESOLVE } from "./schema.ts";
import { previousStatus } from "./status.ts";
import type { Write } from "./writing.ts";

/** The two contents that can't both stay; see status.conflict. */
export interface Pair {
  readonly secretChecksum: string;
  readonly hsmChecksum?: string;
}

/**
 * `both`: each side has changed; `absent`: the Secret has, and the token holds nothing; `unknown`: the two differ and
 * nobody knows which of them changed.
 */
export type ConflictCause = "both" | "absent" | "unknown";

export type Verdict =
  /** The token's content counts. `obeyed`: because the user chose so in the conflict of this pair. */
  | { readonly verdict: "token"; readonly obeyed?: Pair }
  /** The Secret's content counts. */
  | { readonly verdict: "write"; readonly write: Write; readonly obeyed?: Pair }
  | { readonly verdict: "conflict"; readonly cause: ConflictCause; readonly pair: Pair }
  /** The Secret's content would count, but may or can't be written. */
  | { readonly verdict: "withheld"; readonly why: Withheld; readonly obeyed?: Pair };

/** Why a write is not tried. */
export type Withheld =
  | { readonly why: "forbidden" | "empty" }
  | { readonly why: "mirror"; readonly device: string }
  /** Keys that spec.data asks for and neither the Secret nor the token has. */
  | { readonly why: "incomplete"; readonly keys: readonly string[] }
  /** Several keys of the Secret stand for one key of the token and have different new values. */
  | { readonly why: "ambiguous"; readonly keys: readonly string[] };

type Answered = Extract<Reading, { outcome: "found" | "absent" }>;

/** What the token shall hold: its own keys to set, or the keys of the Secret that can't agree on one value. */
type Wanted =
  | { readonly ok: true; readonly data: StringMap }
  | { readonly ok: false; readonly keys: readonly string[] };

/** The values of `held` by the token's keys, as far as they differ from what the token holds there. */
const wantedOf = (spec: ResolvedSpec, held: StringMap, token: StringMap): Wanted => {
  const wanted = new Map<string, { key: string; value: string }[]>();
  for (const { key, hsmKey } of spec.data ?? Object.keys(held).map((name) => ({ key: name, hsmKey: name }))) {
    const value = own(held, key);
    if (value === undefined || value === own(token, hsmKey)) continue;
    wanted.set(hsmKey, [...(wanted.get(hsmKey) ?? []), { key, value }]);
  }
  const torn = [...wanted.values()].find((claims) => new Set(claims.map(({ value }) => value)).size > 1);
  if (torn !== undefined) return { ok: false, keys: torn.map(({ key }) => key).sort() };
  return {
    ok: true,
    data: Object.fromEntries([...wanted].map(([hsmKey, [first]]) => [hsmKey, first?.value ?? ""])),
  };
};

/** Whether the status already shows the conflict of this very pair. */
export const isShown = (parent: HSMSecret, pair: Pair, checksums: KeyedChecksums): boolean => {
  const { conflict } = previousStatus(parent);
  if (conflict === undefined || !checksums.fits(conflict.secretChecksum, pair.secretChecksum)) return false;
  return pair.hsmChecksum === undefined
    ? conflict.hsmChecksum === undefined
    : checksums.fits(conflict.hsmChecksum, pair.hsmChecksum);
};

/** What the user chose for the conflict of `pair`; a choice counts only once the status has shown that conflict. */
export const choiceFor = (
  parent: HSMSecret,
  pair: Pair,
  checksums: KeyedChecksums,
): "hsm" | "secret" | undefined => {
  const choice = parent.metadata.annotations?.[RESOLVE];
  if (!isShown(parent, pair, checksums) || choice === previousStatus(parent).lastResolve) return undefined;
  return choice === "hsm" || choice === "secret" ? choice : undefined;
};

/** The write of the data that `owned` holds over what `reading` showed, or why there is none. */
const writing = (
  { parent, spec, context, owned, reading }: Case,
  held: StringMap,
  obeyed: Pair | undefined,
): Verdict => {
  const chosen = obeyed === undefined ? {} : { obeyed };
  const withheld = (why: Withheld): Verdict => ({ verdict: "withheld", why, ...chosen });
  const token = reading.outcome === "found" ? reading.data : {};
  const wanted = wantedOf(spec, held, token);
  if (!wanted.ok) return withheld({ why: "ambiguous", keys: wanted.keys });
  const mapped = spec.data !== undefined;
  const data = mapped ? wanted.data : held;
  if (Object.keys(data).length === 0) return withheld({ why: "empty" });
  const after = mapped ? { ...token, ...data } : data;
  const lacking = (spec.data ?? []).filter(({ hsmKey }) => !Object.hasOwn(after, hsmKey));
  if (lacking.length > 0) return withheld({ why: "incomplete", keys: lacking.map(({ key }) => key).sort() });
  if (!mayWrite(context.policy, parent.metadata.namespace, spec.hsmPath))
    return withheld({ why: "forbidden" });
  if (reading.mirror) return withheld({ why: "mirror", device: reading.device });
  const content = contentOf(spec, after);
  const write: Write = {
    method: mapped && reading.outcome === "found" ? "patch" : "put",
    path: spec.hsmPath,
    device: reading.device,
    data,
    ...(reading.outcome === "found" ? { ifMatch: reading.checksum } : {}),
    source: noteOf(owned, checksumOfBase64(content.ok ? content.data : after)),
    checksum: checksumOfBase64(after),
    quota: quotaOf(context.policy, parent.metadata.namespace),
  };
  return { verdict: "write", write, ...chosen };
};

/** What is judged: an owned Secret beside what a healthy token answered. */
interface Case {
  readonly parent: HSMSecret;
  readonly spec: ResolvedSpec;
  readonly context: HookContext;
  readonly owned: Secret;
  readonly reading: Answered;
}

const FOLLOW: Verdict = { verdict: "token" };

/**
 * Whether the token has not been written since the status called `owned` synced: then an edit that took the base away with it,
 * as `kubectl replace` does, is an edit of the Secret alone.
 */
const isTokenAsSynced = ({ parent, spec, context: { checksums }, owned, reading }: Case): boolean => {
  const { syncStatus, observedGeneration, hsmPath, hsmChecksum, lastReading, secretRef } =
    previousStatus(parent);
  return (
    reading.outcome === "found" &&
    syncStatus === "InSync" &&
    observedGeneration === parent.metadata.generation &&
    secretRef?.uid !== undefined &&
    secretRef.uid === owned.metadata.uid &&
    hsmPath === spec.hsmPath &&
    // A writer that does not count leaves 0, which tells nothing.
    reading.version > 0 &&
    lastReading?.version === reading.version &&
    lastReading.device === reading.device &&
    checksums.fits(hsmChecksum, reading.checksum)
  );
};

/** Who changed: `nobody` but the token perhaps, the `secret` alone, or one of the causes of a conflict. */
const changesOf = (given: Case, held: StringMap): "nobody" | "secret" | ConflictCause => {
  const {
    parent,
    spec,
    context: { checksums },
    owned,
    reading,
  } = given;
  const base = baseOf(owned);
  if (base === undefined || !checksums.knows(base.checksum)) {
    // Nothing was ever given under writeBack, or nothing that can be compared: only a status that calls this very content synced vouches for it.
    const { syncStatus, secretChecksum } = previousStatus(parent);
    const vouched =
      syncStatus === "InSync" && checksums.fits(secretChecksum, checksumOfBase64(owned.data ?? {}));
    if (vouched) return "nobody";
    if (base === undefined && isTokenAsSynced(given)) return "secret";
    return reading.outcome === "absent" ? "absent" : "unknown";
  }
  if (base.scope !== scopeOf(spec)) {
    if (checksums.fits(base.checksum, checksumOfBase64(held))) return "nobody";
    return reading.outcome === "absent" ? "absent" : "unknown";
  }
  const secretNow = checksumOfBase64(mappedPart(spec, held));
  if (reading.outcome === "absent") return checksums.fits(base.checksum, secretNow) ? "nobody" : "absent";
  const content = contentOf(spec, reading.data);
  if (!content.ok) return "nobody";
  const tokenNow = checksumOfBase64(content.data);
  const common = commonOf(owned, base, reading.source);
  if (checksums.fits(common, secretNow)) return "nobody";
  return checksums.fits(common, tokenNow) ? "secret" : "both";
};

/** Whether the Secret has nothing to say that the token does not hold already: equal, or keys that are put back. */
const saysNothingNew = ({ spec, reading }: Case, held: StringMap): boolean => {
  if (reading.outcome === "absent") return false;
  const wanted = wantedOf(spec, held, reading.data);
  if (!wanted.ok || Object.keys(wanted.data).length > 0) return false;
  return spec.data !== undefined || Object.keys(reading.data).every((key) => Object.hasOwn(held, key));
};

/**
 * Judges an owned Secret beside `reading`. What has no base in common is never written, nor what the token can't hold as
 * a Secret. Where both sides changed, neither is touched until the user has chosen for that very pair of contents.
 */
export const judge = (
  parent: HSMSecret,
  spec: ResolvedSpec,
  context: HookContext,
  owned: Secret | undefined,
  reading: Reading | undefined,
): Verdict => {
  if (spec.writeBack === "Never" || owned === undefined) return FOLLOW;
  if (reading?.outcome !== "found" && reading?.outcome !== "absent") return FOLLOW;
  const given: Case = { parent, spec, context, owned, reading };
  if ((owned.type ?? "Opaque") !== spec.secretType) return FOLLOW;
  if (reading.outcome === "found" && !contentOf(spec, reading.data).ok) return FOLLOW;
  const held = heldData(owned);
  if (saysNothingNew(given, held)) return FOLLOW;
  const changes = changesOf(given, held);
  if (changes === "nobody") return FOLLOW;
  if (changes === "secret") return writing(given, held, undefined);
  const pair: Pair = {
    secretChecksum: checksumOfBase64(mappedPart(spec, held)),
    ...(reading.outcome === "found" ? { hsmChecksum: reading.checksum } : {}),
  };
  const choice = choiceFor(parent, pair, context.checksums);
  if (choice === undefined) return { verdict: "conflict", cause: changes, pair };
  return choice === "hsm" ? { verdict: "token", obeyed: pair } : writing(given, held, pair);
};
