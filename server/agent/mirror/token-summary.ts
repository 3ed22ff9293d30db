// SPDX-License-Identifier: Apache-2.0
// Keeps how much the last list of the token showed, for as long as nothing says that the token holds anything else by now.
import type { Clock } from "../../time.ts";
import type { SecretStore } from "../store.ts";
import type { Holding } from "./plan-pull.ts";

/** How many secrets a token holds, and the sum of their versions and of those of its tombstones. */
type Totals = { readonly secrets: number; readonly versions: number };

/** What a token shows without a list: which one it is, how many objects are on it, and the checksum of its record ("": none). */
type TokenSign = { readonly id: string; readonly objects: number; readonly record: string };

/** What another program has written in the place of an object shows only in the next list. */
const MEMORY_MS = 60_000;

/** What a member does with its store. */
type MemberOf = Pick<SecretStore, "read" | "list" | "info" | "change">;

/** Counts the writes through it, however they end. */
class CountedWrites {
  #begun = 0;
  #ended = 0;

  /** `store`, whose writes this counts. */
  over(store: MemberOf): MemberOf {
    return {
      read: (path, options) => store.read(path, options),
      list: (prefix, options) => store.list(prefix, options),
      info: () => store.info(),
      change: async (path, change, precondition, origin) => {
        this.#begun += 1;
        try {
          return await store.change(path, change, precondition, origin);
        } finally {
          this.#ended += 1;
        }
      },
    };
  }

  /** How many there have been; undefined while one is under way. */
  quiet(): number | undefined {
    return this.#begun === this.#ended ? this.#ended : undefined;
  }
}

/** The totals of a list. */
export const totalsOf = ({ secrets, tombstones }: Holding): Totals => ({
  secrets: secrets.length,
  versions: [...secrets.map(({ stamp }) => stamp), ...tombstones].reduce(
    (total, { version }) => total + version,
    0,
  ),
});

const isSame = (a: TokenSign, b: TokenSign): boolean =>
  a.id === b.id && a.objects === b.objects && a.record === b.record;

export class TokenSummary {
  readonly #clock: Pick<Clock, "now">;
  readonly #writes = new CountedWrites();
  #kept:
    | { readonly sign: TokenSign; readonly writes: number; readonly at: number; readonly totals: Totals }
    | undefined;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** `store`, whose writes end what is kept. */
  watch(store: MemberOf): MemberOf {
    return this.#writes.over(store);
  }

  /** Before a list: what `keep` needs to know of the time before it. */
  begin(): { readonly writes: number | undefined; readonly at: number } {
    return { writes: this.#writes.quiet(), at: this.#clock.now() };
  }

  /** Keeps what the list that began at `begun` showed of the token that showed `sign`, unless something was written meanwhile. */
  keep({ writes, at }: ReturnType<TokenSummary["begin"]>, sign: TokenSign, holding: Holding): void {
    const isQuiet = writes !== undefined && writes === this.#writes.quiet();
    this.#kept = isQuiet ? { sign, writes, at, totals: totalsOf(holding) } : undefined;
  }

  /** The totals, where the token still shows `sign` and this process has written nothing since. */
  totals(sign: TokenSign): Totals | undefined {
    const kept = this.#kept;
    const isKnown =
      kept !== undefined &&
      kept.writes === this.#writes.quiet() &&
      isSame(kept.sign, sign) &&
      this.#clock.now() - kept.at < MEMORY_MS;
    return isKnown ? kept.totals : undefined;
  }
}
