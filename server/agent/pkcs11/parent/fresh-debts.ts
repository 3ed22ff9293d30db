// SPDX-License-Identifier: Apache-2.0
// Remembers fresh reads that timed out, so that a retry counts from the first request and does not start over for ever.

export type FreshDebts = {
  /** When a fresh view of `path` was first asked for in vain; `now` where it never was, or the repeat comes too late. */
  since(path: string, now: number): number;
  /** A fresh read that came at `asked` ran out of time; a repeat counts as one until `until`. */
  owe(path: string, asked: number, until: number): void;
  paid(path: string): void;
};

type Debt = { first: number; until: number };

/** Debts of at most `capacity` paths. */
export const createFreshDebts = (capacity = 10_000): FreshDebts => {
  const debts = new Map<string, Debt>();
  const live = (path: string, now: number): Debt | undefined => {
    const debt = debts.get(path);
    return debt !== undefined && now <= debt.until ? debt : undefined;
  };
  return {
    since: (path, now) => live(path, now)?.first ?? now,
    owe: (path, asked, until) => {
      const first = live(path, asked)?.first ?? asked;
      debts.delete(path); // to the end: the oldest is the first
      debts.set(path, { first, until });
      for (const oldest of debts.keys()) {
        if (debts.size <= capacity) break;
        debts.delete(oldest);
      }
    },
    paid: (path) => {
      debts.delete(path);
    },
  };
};
