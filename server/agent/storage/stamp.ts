// SPDX-License-Identifier: Apache-2.0
// Orders the writes of one path over several tokens: each write has a stamp, and knows the last stamp of each epoch before it.
import { includes, type Stamp } from "../../../hooks/stamp.ts";
import type { StoredMetadata } from "../../agent-api/schema.ts";
import { VERSION_LABEL } from "./per-key.ts";

export type { Stamp } from "../../../hooks/stamp.ts";

/**
 * A write in a set: `epoch` is that in which the writer is its primary, `replaces` is what it replaces beside the secret at the path,
 * as the deletion of an earlier one.
 */
export type Origin = { readonly epoch: number; readonly replaces?: readonly Stamp[] };

/** The label with the epoch of a write; a secret without it was written outside any set, in epoch 0. */
const EPOCH_LABEL = "sync.epoch";
/** The label with the history, `epoch.version` separated by commas. */
const HISTORY_LABEL = "sync.history";

/** Older epochs are forgotten; a copy from one of them is then told apart as diverged, and so kept. */
const MAX_HISTORY = 16;

const countOf = (text: string | undefined): number => {
  const count = /^\d{1,16}$/.test(text ?? "") ? Number(text) : 0;
  return Number.isSafeInteger(count) ? count : 0;
};

const parseHistory = (text: string | undefined): [number, number][] =>
  (text ?? "")
    .split(",")
    .map((entry) => /^(\d{1,16})\.(\d{1,16})$/.exec(entry))
    .flatMap((match): [number, number][] => (match === null ? [] : [[Number(match[1]), Number(match[2])]]));

/** The stamp of a secret that is stored as `version` with `metadata`. */
export const stampOf = (version: number, metadata: Pick<StoredMetadata, "labels">): Stamp => ({
  epoch: countOf(metadata.labels?.[EPOCH_LABEL]),
  version,
  history: parseHistory(metadata.labels?.[HISTORY_LABEL]),
});

/** The labels that say `stamp`, but for the version, which each layout writes itself. */
const stampLabels = ({ epoch, history }: Omit<Stamp, "version">): Record<string, string> => ({
  ...(epoch > 0 && { [EPOCH_LABEL]: String(epoch) }),
  ...(history.length > 0 && { [HISTORY_LABEL]: history.map((entry) => entry.join(".")).join(",") }),
});

/** The metadata with the labels that say `stamp`, and no others that say one. */
export const withStamp = (metadata: StoredMetadata, stamp: Stamp): StoredMetadata => {
  const { labels: before = {}, ...rest } = metadata;
  const others = Object.entries(before).filter(([name]) => !isStampLabel(name));
  const labels = { ...Object.fromEntries(others), ...stampLabels(stamp) };
  return { ...rest, ...(Object.keys(labels).length > 0 && { labels }) };
};

/** Whether a label is one of a stamp. */
export const isStampLabel = (name: string): boolean =>
  name === VERSION_LABEL || name === EPOCH_LABEL || name === HISTORY_LABEL;

/** The stamp of the write that in `epoch` replaces everything in `replaced`: greater than each of them. */
export const nextStamp = (epoch: number, replaced: readonly Stamp[]): Stamp => {
  const last = new Map<number, number>();
  for (const stamp of replaced) {
    for (const [before, version] of [...stamp.history, [stamp.epoch, stamp.version] as const]) {
      last.set(before, Math.max(version, last.get(before) ?? 0));
    }
  }
  const version = Math.max(0, ...replaced.map((stamp) => stamp.version)) + 1;
  last.delete(epoch);
  const history = [...last].sort(([a], [b]) => a - b).slice(-MAX_HISTORY);
  return { epoch, version, history };
};

/**
 * The stamp of a write that replaces `current`, and whose version is higher than `floor`. Outside a set the version alone counts on, so
 * that a set that the secret has been in still knows of which write it is.
 */
export const stampOfWrite = (
  current: Stamp | undefined,
  origin: Origin | undefined,
  floor: number,
): Stamp => {
  const replaced = current === undefined ? [] : [current];
  const { epoch = 0, history = [] } = current ?? {};
  const next = nextStamp(origin?.epoch ?? epoch, [...replaced, ...(origin?.replaces ?? [])]);
  const version = Math.max(next.version, floor + 1);
  return origin === undefined ? { epoch, version, history } : { ...next, version };
};

/** How `mine` stands to `theirs`. `diverged`: neither knows of the other. */
export const relate = (mine: Stamp, theirs: Stamp): "same" | "behind" | "ahead" | "diverged" => {
  const knows = includes(mine, theirs);
  const isKnown = includes(theirs, mine);
  if (knows && isKnown) return "same";
  return knows ? "ahead" : isKnown ? "behind" : "diverged";
};
