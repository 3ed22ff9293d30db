// SPDX-License-Identifier: Apache-2.0
// Checks in a model check whether a state converges as it should once nobody but the hook acts.

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
export const convergenceCheck = <World>({ keyOf, next, faultAtRest, rounds }: ConvergenceModel<World>) => {
  const away = new Map<string, number>();
  return (world: World): string | undefined => {
    const passed: string[] = [];
    let now = world;
    let key = keyOf(now);
    while (!away.has(key)) {
      if (passed.length > rounds) return "never rests";
      const after = next(now);
      const keyAfter = keyOf(after);
      if (keyAfter === key) {
        const fault = faultAtRest(after);
        if (fault !== undefined) return fault;
        away.set(key, 0);
      } else {
        passed.push(key);
        now = after;
        key = keyAfter;
      }
    }
    const left = away.get(key) ?? 0;
    for (const [at, one] of passed.entries()) away.set(one, left + passed.length - at);
    return left + passed.length < rounds ? undefined : "never rests";
  };
};
