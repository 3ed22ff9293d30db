// SPDX-License-Identifier: Apache-2.0
// Finds what somebody may have meant by a mistyped command: the nearest commands and Toggle names.

/** The optimal string alignment distance: letters left out, added, changed, or swapped with the next. */
const distance = (a: string, b: string): number => {
  const rows = [[...Array(b.length + 1).keys()]];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    const [before = [], last = []] = [rows[i - 2], rows[i - 1]];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const ways = [(last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost];
      row.push(Math.min(...ways, isSwap ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY));
    }
    rows.push(row);
  }
  return rows.at(-1)?.at(-1) ?? 0;
};

/** Longer words are no slips of the finger, and would take long. */
const LONGEST_WORD = 63;

/** The one of `candidates` that `word` is a slip of, and itself where it is one; undefined where none is near. */
export const nearest = (word: string, candidates: readonly string[]): string | undefined => {
  const wanted = word.toLowerCase();
  if (candidates.includes(wanted)) return wanted;
  if (wanted.length > LONGEST_WORD) return undefined;
  // One slip in a word of up to five letters, two in a longer one; a word of two letters is none of another.
  const most = wanted.length < 3 ? 0 : wanted.length < 6 ? 1 : 2;
  const near = candidates
    .filter((candidate) => Math.abs(candidate.length - wanted.length) <= most)
    .map((candidate) => ({ candidate, far: distance(wanted, candidate) }))
    .filter(({ far }) => far <= most)
    .sort((a, b) => a.far - b.far);
  return near[0]?.candidate;
};

/** More words than these are a sentence. */
const MOST_WORDS = 6;

/**
 * `said` with its slips mended: a command's word first, then names. Where that makes no command, the first word that is a slip
 * of one; undefined where there is none.
 */
export const meantBy = (
  said: string,
  { verbs, names }: { readonly verbs: readonly string[]; readonly names: readonly string[] },
): string | undefined => {
  const words = said.split(/\s+/).filter((word) => word !== "");
  const [first = "", ...rest] = words;
  if (words.length > MOST_WORDS) return undefined;
  const verb = nearest(first, verbs);
  if (verb !== undefined) {
    const mended = rest.map((word) => nearest(word, names));
    if (mended.every((word) => word !== undefined)) return [verb, ...mended].join(" ");
    return verb === first.toLowerCase() ? mended.find((word) => word !== undefined) : verb;
  }
  return words.map((word) => nearest(word, names)).find((word) => word !== undefined);
};
