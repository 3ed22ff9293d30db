// SPDX-License-Identifier: Apache-2.0
// Which fresh reads ran out of time, so that asking again counts from the first ask and does not start over for ever.

export type FreshDebts = {
  /** When a fresh view of `path` was first asked for in vain; `now` where it never was. */
  since(path: string, now: number): number;
  /** A fresh read that came at `asked` ran out of time. */
  owe(path: string, asked: number): void;
  paid(path: string): void;
};

/** Debts of at most `capacity` paths, each forgotten after `expiresMs`. */
export const createFreshDebts = (capacity = 10_000, expiresMs = 600_000): FreshDebts => {
  const debts = new Map<string, number>();
  return {
    since: (path, now) => {
      const asked = debts.get(path);
      return asked === undefined || now - asked > expiresMs ? now : asked;
    },
    owe: (path, asked) => {
      const earlier = debts.get(path);
      if (earlier !== undefined && asked - earlier <= expiresMs) return;
      debts.delete(path); // to the end: the oldest is the first
      debts.set(path, asked);
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
