// SPDX-License-Identifier: Apache-2.0
// Checks in a model that a world converges once nobody but the hook acts in it.

export interface ConvergenceModel<World> {
  /** Worlds with the same key have the same future. */
  readonly keyOf: (world: World) => string;
  /** What a sync, and whatever goes by itself, makes of a world. */
  readonly next: (world: World) => World;
  /** What is wrong with a world that is its own next one. */
  readonly faultAtRest: (world: World) => string | undefined;
  /** The most syncs that it may take. */
  readonly rounds: number;
}

/**
 * Answers what is wrong with how a world settles. Most worlds settle through those that others settled through: how many syncs
 * each is away from its rest is kept, and nothing is followed twice.
 */
export const convergenceCheck = <World>(how: ConvergenceModel<World>) => {
  const away = new Map<string, number>();
  return (world: World): string | undefined => {
    const way = wayToRest(how, away, world);
    if (typeof way === "string") return way;
    const { passed, end } = way;
    const left = away.get(end) ?? 0;
    for (const [at, one] of passed.entries()) away.set(one, left + passed.length - at);
    return left + passed.length < how.rounds ? undefined : "never rests";
  };
};

/** The keys that a world passes through, up to one that is in `away`; a text where something is wrong on the way. */
const wayToRest = <World>(
  { keyOf, next, faultAtRest, rounds }: ConvergenceModel<World>,
  away: Map<string, number>,
  world: World,
): { passed: string[]; end: string } | string => {
  const passed: string[] = [];
  let now = world;
  let key = keyOf(now);
  while (!away.has(key)) {
    if (passed.length > rounds) return "never rests";
    const after = next(now);
    const keyAfter = keyOf(after);
    const isAtRest = keyAfter === key;
    const fault = isAtRest ? faultAtRest(after) : undefined;
    if (fault !== undefined) return fault;
    if (isAtRest) away.set(key, 0);
    else passed.push(key);
    now = after;
    key = keyAfter;
  }
  return { passed, end: key };
};
