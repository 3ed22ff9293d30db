// SPDX-License-Identifier: Apache-2.0
// Limits a process's connections to a number of slots, and evicts the least useful connection when none is free.

/** What eviction looks at in a connection. */
export type SlotHolder = {
  /** The peer's address, without its port. */
  readonly peer: string;
  /** Whether a request of it is under way. */
  isBusy(): boolean;
};

export type ConnectionSlots<H extends SlotHolder> = {
  /** Gives an unauthenticated connection a slot, for which another may be evicted; false where there is none. */
  acquire(holder: H): boolean;
  /** The connection has shown credentials: unauthenticated ones are evicted before it. False where all slots of such are busy. */
  authenticate(holder: H): boolean;
  release(holder: H): void;
  all(): H[];
};

/**
 * So many slots, of which `forUnauthenticated` are never those of authenticated connections: probes show no credentials. `evict`
 * must end with `release`.
 */
export const createConnectionSlots = <H extends SlotHolder>(
  { connections, forUnauthenticated }: { connections: number; forUnauthenticated: number },
  evict: (holder: H) => void,
): ConnectionSlots<H> => {
  // Unauthenticated ones by age, authenticated ones by their last request.
  const unauthenticated = new Set<H>();
  const authenticated = new Set<H>();
  const makeRoom = (least: H | undefined): boolean => {
    if (least === undefined) return false;
    evict(least);
    return true;
  };
  /** The authenticated one that is idle for longest, of those whose peer has no fewer than that of `holder`. */
  const idleBeside = ({ peer: own }: H): H | undefined => {
    const counts = countsOf(authenticated);
    const least = counts.get(own) ?? 0;
    return [...authenticated].find((holder) => !holder.isBusy() && (counts.get(holder.peer) ?? 0) >= least);
  };
  return {
    acquire: (holder) => {
      const isFree = unauthenticated.size + authenticated.size < connections;
      if (!isFree && !makeRoom(oldestOfMost(unauthenticated) ?? idleBeside(holder))) return false;
      unauthenticated.add(holder);
      return true;
    },
    authenticate: (holder) => {
      const isFree = authenticated.has(holder) || authenticated.size < connections - forUnauthenticated;
      if (!isFree && !makeRoom(idleBeside(holder))) return false;
      if (unauthenticated.delete(holder) || authenticated.delete(holder)) authenticated.add(holder);
      return true;
    },
    release: (holder) => {
      unauthenticated.delete(holder);
      authenticated.delete(holder);
    },
    all: () => [...unauthenticated, ...authenticated],
  };
};

/** The oldest of the peer that has most: one that opens them without end takes the slots of its own. */
const oldestOfMost = <H extends SlotHolder>(holders: ReadonlySet<H>): H | undefined => {
  const counts = countsOf(holders);
  const most = Math.max(0, ...counts.values());
  return [...holders].find(({ peer }) => counts.get(peer) === most);
};

const countsOf = (holders: ReadonlySet<SlotHolder>): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { peer } of holders) counts.set(peer, (counts.get(peer) ?? 0) + 1);
  return counts;
};
