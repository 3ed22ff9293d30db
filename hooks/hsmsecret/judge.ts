// SPDX-License-Identifier: Apache-2.0
// Compares Secret and token with their merge base under spec.writeBack, and decides which side wins or that there is a
// conflict.
import { type ChecksummedData, checksummed } from "../checksum.ts";
import { ownProperty } from "../formats.ts";
import type { StringMap } from "../kubernetes.ts";
import { mayWrite, quotaOf } from "../path-policy.ts";
import type { Assessment } from "./assessment.ts";
import { type Content, contentOf } from "./content.ts";
import { commonChecksumOf, type OwnedSecret, sourceNoteOf } from "./observed.ts";
import { answererName, isDegraded, type Reading } from "./reading.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import { RESOLVE } from "./schema.ts";
import type { Write } from "./token-write.ts";

/** The two contents that can't both stay; see status.conflict. */
export interface ConflictPair {
  readonly secretChecksum: string;
  readonly hsmChecksum?: string;
}

/**
 * `both`: each side has changed; `absent`: the Secret has, and the token holds nothing; `unknown`: the two differ and
 * nobody knows which of them changed; `diverged`: the Secret holds what the primary of a set does not know of.
 */
export type ConflictCause = "both" | "absent" | "unknown" | "diverged";

export type Verdict =
  /** The token's content counts. `obeyed`: because the user chose so in the conflict of this pair. */
  | { readonly verdict: "token"; readonly obeyed?: ConflictPair }
  /** The Secret's content counts. */
  | { readonly verdict: "write"; readonly write: Write; readonly obeyed?: ConflictPair }
  | { readonly verdict: "conflict"; readonly cause: ConflictCause; readonly pair: ConflictPair }
  /** The Secret's content would count, but may or can't be written. */
  | { readonly verdict: "withheld"; readonly why: Withheld; readonly obeyed?: ConflictPair };

/** Why a write is not tried. */
export type Withheld =
  | { readonly why: "forbidden" | "empty" }
  | { readonly why: "mirror"; readonly device: string }
  /** A member of a set that is not its primary. */
  | { readonly why: "member"; readonly who: string }
  /** Keys that spec.data asks for and neither the Secret nor the token has. */
  | { readonly why: "incomplete"; readonly keys: readonly string[] }
  /** Several keys of the Secret stand for one key of the token and have different new values. */
  | { readonly why: "ambiguous"; readonly keys: readonly string[] };

type Answered = Extract<Reading, { outcome: "found" | "absent" }>;

const tokenOf = (reading: Answered): StringMap => (reading.outcome === "found" ? reading.data : {});

/** What the token shall hold: its own keys to set, or the keys of the Secret that can't agree on one value. */
type Wanted =
  | { readonly ok: true; readonly data: StringMap }
  | { readonly ok: false; readonly keys: readonly string[] };

/** The values of `held` by the token's keys, as far as they differ from what the token holds there. */
const wantedOf = (spec: ResolvedSpec, held: StringMap, token: StringMap): Wanted => {
  const wanted = new Map<string, { key: string; value: string }[]>();
  for (const { key, hsmKey } of spec.data ?? Object.keys(held).map((name) => ({ key: name, hsmKey: name }))) {
    const value = ownProperty(held, key);
    if (value === undefined || value === ownProperty(token, hsmKey)) continue;
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
export const isShown = (
  { before: { conflict }, context: { checksums } }: Assessment,
  pair: ConflictPair,
): boolean => {
  if (conflict === undefined || !checksums.fits(conflict.secretChecksum, pair.secretChecksum)) return false;
  return pair.hsmChecksum === undefined
    ? conflict.hsmChecksum === undefined
    : checksums.fits(conflict.hsmChecksum, pair.hsmChecksum);
};

/** What the user chose for the conflict of `pair`; a choice counts only once the status has shown that conflict. */
export const resolutionFor = (assessment: Assessment, pair: ConflictPair): "hsm" | "secret" | undefined => {
  const { parent, before } = assessment;
  const choice = parent.metadata.annotations?.[RESOLVE];
  if (!isShown(assessment, pair) || choice === before.lastResolve) return undefined;
  return choice === "hsm" || choice === "secret" ? choice : undefined;
};

/** What is judged: an owned Secret beside what a healthy token answered. */
interface Case extends Assessment {
  readonly owned: OwnedSecret;
  readonly reading: Answered;
  /** What the token holds, as the Secret would have it; undefined where it holds nothing. */
  readonly content: ChecksummedData | undefined;
  readonly wanted: Wanted;
}

/** Why `data` may or can't be written, which would make the token's content `after`; undefined where they may and can. */
const hindrance = (
  { parent, spec, context, reading }: Case,
  data: StringMap,
  after: StringMap,
): Withheld | undefined => {
  if (Object.keys(data).length === 0) return { why: "empty" };
  const lacking = (spec.data ?? []).filter(({ hsmKey }) => !Object.hasOwn(after, hsmKey));
  if (lacking.length > 0) return { why: "incomplete", keys: lacking.map(({ key }) => key).sort() };
  if (!mayWrite(context.policy, parent.metadata.namespace, spec.hsmPath)) return { why: "forbidden" };
  if (!reading.mirror) return undefined;
  return isDegraded(reading)
    ? { why: "member", who: answererName(reading) }
    : { why: "mirror", device: reading.device };
};

/** The write of the data that the Secret holds over what was read, or why there is none. */
const writing = (given: Case, obeyed: ConflictPair | undefined): Verdict => {
  const { parent, spec, context, owned, reading, wanted } = given;
  const chosen = obeyed === undefined ? {} : { obeyed };
  if (!wanted.ok) return { verdict: "withheld", why: { why: "ambiguous", keys: wanted.keys }, ...chosen };
  const mapped = spec.data !== undefined;
  const data = mapped ? wanted.data : owned.held.data;
  const after = mapped ? checksummed({ ...tokenOf(reading), ...data }) : owned.held;
  const why = hindrance(given, data, after.data);
  if (why !== undefined) return { verdict: "withheld", why, ...chosen };
  const agreed = contentOf(spec, after);
  const write: Write = {
    method: mapped && reading.outcome === "found" ? "patch" : "put",
    path: spec.hsmPath,
    device: reading.device,
    data,
    ...(reading.outcome === "found" && { ifMatch: reading.checksum }),
    source: sourceNoteOf(owned.secret, (agreed.ok ? agreed.content : after).checksum),
    checksum: after.checksum,
    quota: quotaOf(context.policy, parent.metadata.namespace),
  };
  return { verdict: "write", write, ...chosen };
};

/**
 * Whether the token has not been written since the status called the Secret synced: then an edit that took the base away with
 * it, as `kubectl replace` does, is an edit of the Secret alone.
 */
const isTokenAsSynced = ({ parent, spec, before, context, owned, reading }: Case): boolean => {
  const { syncStatus, observedGeneration, hsmPath, hsmChecksum, lastReading, secretRef } = before;
  return (
    reading.outcome === "found" &&
    syncStatus === "InSync" &&
    observedGeneration === parent.metadata.generation &&
    secretRef?.uid !== undefined &&
    secretRef.uid === owned.secret.metadata.uid &&
    hsmPath === spec.hsmPath &&
    // A writer that does not count leaves 0, which tells nothing.
    reading.version > 0 &&
    lastReading?.version === reading.version &&
    (lastReading.epoch ?? 0) === (reading.epoch ?? 0) &&
    lastReading.device === reading.device &&
    context.checksums.fits(hsmChecksum, reading.checksum)
  );
};

/** Who changed: `nobody` but the token perhaps, the `secret` alone, or one of the causes of a conflict. */
type Changes = "nobody" | "secret" | ConflictCause;

const differing = (reading: Answered): ConflictCause => (reading.outcome === "absent" ? "absent" : "unknown");

/**
 * Where nothing was ever given under writeBack, or nothing that can be compared, only a status that calls this very content
 * synced vouches for it.
 */
const changesWithoutBase = (given: Case): Changes => {
  const { before, context, owned, reading } = given;
  const { base, whole } = owned;
  if (before.syncStatus === "InSync" && context.checksums.fits(before.secretChecksum, whole.checksum)) {
    return "nobody";
  }
  return base === undefined && isTokenAsSynced(given) ? "secret" : differing(reading);
};

const changesOf = (given: Case): Changes => {
  const { scope, context, owned, reading, content } = given;
  const { secret, base, held, mapped } = owned;
  const { checksums } = context;
  if (base === undefined || !checksums.knows(base.checksum)) return changesWithoutBase(given);
  if (base.scope !== scope()) {
    return checksums.fits(base.checksum, held.checksum) ? "nobody" : differing(reading);
  }
  if (reading.outcome === "absent" || content === undefined) {
    return checksums.fits(base.checksum, mapped.checksum) ? "nobody" : "absent";
  }
  const common = commonChecksumOf(secret, base, reading.source);
  if (checksums.fits(common, mapped.checksum)) return "nobody";
  return checksums.fits(common, content.checksum) ? "secret" : "both";
};

/** Whether the Secret has nothing to say that the token does not hold already: equal, or keys that are put back. */
const saysNothingNew = ({ spec, owned, reading, wanted }: Case): boolean => {
  if (reading.outcome === "absent" || !wanted.ok || Object.keys(wanted.data).length > 0) return false;
  return (
    spec.data !== undefined || Object.keys(reading.data).every((key) => Object.hasOwn(owned.held.data, key))
  );
};

/** What there is to judge; undefined where the token's content counts whatever the Secret holds. */
const caseOf = (
  assessment: Assessment,
  reading: Reading | undefined,
  content: Content | undefined,
): Case | undefined => {
  const { spec, observed } = assessment;
  const { owned } = observed;
  if (spec.writeBack === "Never" || owned === undefined) return undefined;
  if (reading?.outcome !== "found" && reading?.outcome !== "absent") return undefined;
  if ((owned.secret.type ?? "Opaque") !== spec.secretType || content?.ok === false) return undefined;
  const wanted = wantedOf(spec, owned.held.data, tokenOf(reading));
  return { ...assessment, owned, reading, content: content?.content, wanted };
};

const FOLLOW: Verdict = { verdict: "token" };

const pairOf = (owned: OwnedSecret, reading: Answered): ConflictPair => ({
  secretChecksum: owned.mapped.checksum,
  ...(reading.outcome === "found" && { hsmChecksum: reading.checksum }),
});

const verdictOf = (given: Case): Verdict => {
  if (saysNothingNew(given)) return FOLLOW;
  const changes = changesOf(given);
  if (changes === "nobody") return FOLLOW;
  if (changes === "secret") return writing(given, undefined);
  const { owned, reading } = given;
  const pair = pairOf(owned, reading);
  const choice = resolutionFor(given, pair);
  if (choice === undefined) return { verdict: "conflict", cause: changes, pair };
  return choice === "hsm" ? { verdict: "token", obeyed: pair } : writing(given, pair);
};

/** An assessment with what the token answered, and whose content counts. */
export interface Judgement extends Assessment {
  /** undefined where the plan was to read nothing. */
  readonly reading: Reading | undefined;
  /** What was found, as the Secret would have it. */
  readonly content: Content | undefined;
  readonly verdict: Verdict;
}

/**
 * Judges an owned Secret beside `reading`. What has no base in common is never written, nor what the token can't hold as
 * a Secret. Where both sides changed, neither is touched until the user has chosen for that very pair of contents.
 */
export const judge = (assessment: Assessment, reading: Reading | undefined): Judgement => {
  const content = reading?.outcome === "found" ? contentOf(assessment.spec, reading) : undefined;
  const given = caseOf(assessment, reading, content);
  const { owned } = assessment.observed;
  if (owned !== undefined && reading !== undefined && "diverged" in reading) {
    return judgeDiverged({ ...assessment, content }, reading, owned, given);
  }
  return { ...assessment, reading, content, verdict: given === undefined ? FOLLOW : verdictOf(given) };
};

/** What the primary of a set holds without knowing of what was applied: neither is taken before the user has chosen. */
const judgeDiverged = (
  assessment: Assessment & Pick<Judgement, "content">,
  reading: Answered,
  owned: OwnedSecret,
  given: Case | undefined,
): Judgement => {
  const pair = pairOf(owned, reading);
  const choice = resolutionFor(assessment, pair);
  if (choice === "hsm") {
    const { diverged: _, ...chosen } = reading;
    return { ...assessment, reading: chosen, verdict: { verdict: "token", obeyed: pair } };
  }
  const verdict: Verdict =
    choice === "secret" && given !== undefined
      ? writing(given, pair)
      : { verdict: "conflict", cause: "diverged", pair };
  return { ...assessment, reading, verdict };
};

/** The write that is wanted after a judgement, if any. The shell does it and tells sync what came of it. */
export const planWrite = ({ verdict }: Judgement): Write | undefined =>
  verdict.verdict === "write" ? verdict.write : undefined;
