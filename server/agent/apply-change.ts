// SPDX-License-Identifier: Apache-2.0
// Applies a change to a secret's content in memory: the content to write, or why there is nothing to write.
import { MAX_SECRET_BYTES } from "../../hooks/formats.ts";
import type { Layout, MetadataPatch, SecretMetadata, StoredMetadata } from "../agent-api/schema.ts";
import { DELETED_LABEL, VERSION_LABEL } from "./storage/per-key.ts";
import { stampOf } from "./storage/stamp.ts";
import type { Change, ChangeResult, Precondition, Secret } from "./store.ts";

/** The keys and metadata that a secret shall have. */
export type Content = { data: ReadonlyMap<string, Uint8Array>; metadata: SecretMetadata };

/**
 * What is left to do: write `content` (in `layout`, and as `version`, where these are given), delete, or nothing but to answer. What
 * has a version has the labels that the agent keeps itself; all else has none.
 */
export type PlannedChange =
  | { kind: "write"; content: Content; layout?: Layout; version?: number }
  | { kind: "delete" }
  | { kind: "done"; result: Done };

/** What needs no write. */
type Done = Extract<
  ChangeResult,
  { kind: "written" | "absent" | "key-absent" | "last-key" | "precondition" | "refused" }
>;

/** What is wrong with values of so many bytes together; undefined where nothing is. */
export const sizeFault = (bytes: number): string | undefined =>
  bytes > MAX_SECRET_BYTES
    ? `the values have ${bytes} bytes together; ${MAX_SECRET_BYTES} are the most that a secret may have`
    : undefined;

/** Whether the secret is in the state that the request names (RFC 9110, section 13.2.2). */
const holds = (
  { ifMatch, ifNoneMatch }: Precondition,
  current: Pick<Secret, "checksum"> | undefined,
): boolean => {
  const named = (tags: readonly string[] | "*"): boolean =>
    current !== undefined && (tags === "*" || tags.includes(current.checksum));
  return (ifMatch === undefined || named(ifMatch)) && (ifNoneMatch === undefined || !named(ifNoneMatch));
};

const done = (result: Done): PlannedChange => ({ kind: "done", result });

const sameData = (a: Secret["data"], b: Secret["data"]): boolean =>
  a.size === b.size &&
  [...a].every(([key, value]) => {
    const other = b.get(key);
    return other !== undefined && Buffer.compare(value, other) === 0;
  });

/** Labels that the agent keeps itself, such as the count of writes. */
export const isOwnLabel = (name: string): boolean => name.startsWith("sync.");

const withoutOwnLabels = ({ labels, ...rest }: SecretMetadata): SecretMetadata => {
  const others = Object.entries(labels ?? {}).filter(([name]) => !isOwnLabel(name));
  return { ...rest, ...(others.length > 0 && { labels: Object.fromEntries(others) }) };
};

/** Without the labels that say what each layout says in its own way. */
const withoutLayoutLabels = ({ labels, ...rest }: StoredMetadata): StoredMetadata => {
  const others = Object.entries(labels ?? {}).filter(
    ([name]) => name !== VERSION_LABEL && name !== DELETED_LABEL,
  );
  return { ...rest, ...(others.length > 0 && { labels: Object.fromEntries(others) }) };
};

/** `given` in place of `before`, or `before` where nothing is given; without the labels that the agent keeps itself. */
const metadataAfter = (
  before: SecretMetadata | undefined,
  given: SecretMetadata | undefined,
): SecretMetadata => withoutOwnLabels(given === undefined ? (before ?? {}) : { ...before, ...given });

/** `entries` with those of `patch` set, and without those that are null in it (RFC 7396). */
const patched = <T>(
  entries: Iterable<readonly [string, T]>,
  patch: Iterable<readonly [string, T | null]>,
): Map<string, T> => {
  const merged = new Map(entries);
  for (const [name, value] of patch) {
    if (value === null) merged.delete(name);
    else merged.set(name, value);
  }
  return merged;
};

const patchedFields = <T>(
  fields: Readonly<Record<string, T>>,
  patch: Readonly<Record<string, T | null>>,
): Record<string, T> => Object.fromEntries(patched(Object.entries(fields), Object.entries(patch)));

const metadataPatched = (before: SecretMetadata, patch: MetadataPatch): SecretMetadata => {
  const { labels: labelsBefore = {}, ...fieldsBefore } = before;
  const { labels, ...fields } = patch;
  const labelsAfter = labels === null ? {} : patchedFields(labelsBefore, labels ?? {});
  return withoutOwnLabels({ ...patchedFields<string>(fieldsBefore, fields), labels: labelsAfter });
};

const sameMetadata = (a: SecretMetadata, b: SecretMetadata): boolean => {
  const text = ({ labels, ...rest }: SecretMetadata): string =>
    JSON.stringify([Object.entries(rest).sort(), Object.entries(labels ?? {}).sort()]);
  return text(a) === text(b);
};

/** The intent of writing `content` over `current`; nothing where it holds that already. */
const writing = (current: Secret | undefined, content: Content): PlannedChange => {
  const unchanged =
    current !== undefined &&
    sameData(current.data, content.data) &&
    sameMetadata(withoutOwnLabels(current.metadata), content.metadata);
  if (unchanged) return done(unchangedResult(current));
  const bytes = [...content.data.values()].reduce((total, value) => total + value.length, 0);
  const message = sizeFault(bytes);
  return message === undefined
    ? { kind: "write", content }
    : done({ kind: "refused", code: "SECRET_TOO_LARGE", message });
};

const unchangedResult = ({ checksum, version, data }: Secret): Done => ({
  kind: "written",
  outcome: "unchanged",
  before: checksum,
  checksum,
  version,
  keys: [...data.keys()].sort(),
});

/**
 * Whether a put was made already, so that its If-Match need not hold (RFC 9110, section 13.1.1): its first answer did not arrive.
 */
const isMadeAlready = (
  current: Secret | undefined,
  change: Change,
  { ifMatch, ifNoneMatch }: Precondition,
): boolean =>
  change.type === "put" &&
  ifMatch !== undefined &&
  ifNoneMatch === undefined &&
  current !== undefined &&
  sameData(current.data, change.data) &&
  sameMetadata(withoutOwnLabels(current.metadata), metadataAfter(current.metadata, change.metadata));

/** What `change` means for `current`, the secret at the path; undefined where there is none. */
export const applyChange = (
  current: Secret | undefined,
  change: Change,
  precondition: Precondition,
): PlannedChange => {
  const creates = change.type === "put" || change.type === "copy";
  if (current === undefined && !creates && precondition.ifMatch === undefined) {
    return done({ kind: "absent" });
  }
  if (!holds(precondition, current) && !isMadeAlready(current, change, precondition)) {
    return done({ kind: "precondition", before: current?.checksum ?? null });
  }
  if (change.type === "put") {
    const metadata = metadataAfter(current?.metadata, change.metadata);
    const planned = writing(current, { data: change.data, metadata });
    const { layout } = change;
    return planned.kind === "write" && layout !== undefined ? { ...planned, layout } : planned;
  }
  if (change.type === "copy") return copying(current, change);
  return current === undefined ? done({ kind: "absent" }) : changing(current, change);
};

/** The intent of making the path a copy; nothing where it is that already, stamp and all. */
const copying = (
  current: Secret | undefined,
  { data, metadata, version }: Extract<Change, { type: "copy" }>,
): PlannedChange => {
  const stamp = (from: { version: number; metadata: StoredMetadata }): string =>
    JSON.stringify(stampOf(from.version, from.metadata));
  const isThere =
    current !== undefined &&
    stamp(current) === stamp({ version, metadata }) &&
    sameData(current.data, data) &&
    sameMetadata(withoutOwnLabels(current.metadata), withoutOwnLabels(metadata));
  return isThere
    ? done(unchangedResult(current))
    : { kind: "write", content: { data, metadata: withoutLayoutLabels(metadata) }, version };
};

/** One that was written in a set keeps its version: nothing is new that the other members would have to take over. */
const rewriting = ({ data, metadata, version, layout }: Secret): PlannedChange =>
  stampOf(version, metadata).epoch === 0
    ? { kind: "write", content: { data, metadata: withoutOwnLabels(metadata) }, layout }
    : { kind: "write", content: { data, metadata: withoutLayoutLabels(metadata) }, layout, version };

/** What a change means that needs a secret to be there. */
const changing = (current: Secret, change: Exclude<Change, { type: "put" | "copy" }>): PlannedChange => {
  const kept = metadataAfter(current.metadata, undefined);
  switch (change.type) {
    case "patch": {
      const data = patched(current.data, change.data);
      const metadata = metadataPatched(current.metadata, change.metadata ?? {});
      return data.size === 0 ? done({ kind: "last-key" }) : writing(current, { data, metadata });
    }
    case "delete":
      return { kind: "delete" };
    case "delete-key": {
      if (!current.data.has(change.key)) return done({ kind: "key-absent" });
      const data = patched(current.data, [[change.key, null]]);
      return data.size === 0 ? { kind: "delete" } : { kind: "write", content: { data, metadata: kept } };
    }
    case "rewrite":
      return rewriting(current);
    case "repack":
      return current.layout === change.layout
        ? done(unchangedResult(current))
        : { kind: "write", content: { data: current.data, metadata: kept }, layout: change.layout };
  }
};
