// SPDX-License-Identifier: Apache-2.0
// Who has one of a process's places for connections, and who is shown out when there are no more.

/** What counts of a connection here. */
export type Guest = {
  /** The peer's address, without its port. */
  readonly peer: string;
  /** Whether a request of it is under way. */
  isBusy(): boolean;
};

export type Places<G extends Guest> = {
  /** Gives a stranger a place, for which another may be shown out; false where there is none. */
  enter(guest: G): boolean;
  /** The guest has shown credentials: strangers go before it. False where all places of such guests are busy. */
  recognise(guest: G): boolean;
  leave(guest: G): void;
  all(): G[];
};

/**
 * So many places, of which `forStrangers` are never those of known guests: probes show no credentials. `showOut` must end
 * with `leave`.
 */
export const createPlaces = <G extends Guest>(
  { connections, forStrangers }: { connections: number; forStrangers: number },
  showOut: (guest: G) => void,
): Places<G> => {
  // Strangers by age, known guests by their last request.
  const strangers = new Set<G>();
  const known = new Set<G>();
  const makeRoom = (least: G | undefined): boolean => {
    if (least === undefined) return false;
    showOut(least);
    return true;
  };
  /** The one that has asked for nothing for longest, of those whose peer has no fewer than that of `guest`. */
  const idleBeside = ({ peer: own }: G): G | undefined => {
    const counts = countsOf(known);
    const least = counts.get(own) ?? 0;
    return [...known].find((guest) => !guest.isBusy() && (counts.get(guest.peer) ?? 0) >= least);
  };
  return {
    enter: (guest) => {
      const isFree = strangers.size + known.size < connections;
      if (!isFree && !makeRoom(oldestOfMost(strangers) ?? idleBeside(guest))) return false;
      strangers.add(guest);
      return true;
    },
    recognise: (guest) => {
      const isFree = known.has(guest) || known.size < connections - forStrangers;
      if (!isFree && !makeRoom(idleBeside(guest))) return false;
      if (strangers.delete(guest) || known.delete(guest)) known.add(guest);
      return true;
    },
    leave: (guest) => {
      strangers.delete(guest);
      known.delete(guest);
    },
    all: () => [...strangers, ...known],
  };
};

/** The oldest of the peer that has most: one that opens them without end takes the places of its own. */
const oldestOfMost = <G extends Guest>(guests: ReadonlySet<G>): G | undefined => {
  const counts = countsOf(guests);
  const most = Math.max(0, ...counts.values());
  return [...guests].find(({ peer }) => counts.get(peer) === most);
};

const countsOf = (guests: ReadonlySet<Guest>): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { peer } of guests) counts.set(peer, (counts.get(peer) ?? 0) + 1);
  return counts;
};
