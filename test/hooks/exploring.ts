// SPDX-License-Identifier: Apache-2.0
// Explores every state that a model's world can reach within a number of actions, each once.

/** An action by its name, and what it makes of the world that it was made for; it throws where it breaks an invariant. */
export type Act<World> = readonly [name: string, act: () => World];

export interface Exploring<World> {
  /** The worlds that it begins with, with what has led there. */
  readonly starts: readonly Visit<World>[];
  /** What can happen in a world. */
  readonly actsOf: (world: World) => readonly Act<World>[];
  /** Worlds with the same key have the same future. */
  readonly keyOf: (world: World) => string;
  /** What is wrong with a world that was reached. */
  readonly faultOf: (world: World) => string | undefined;
  /** The most actions in a row. */
  readonly depth: number;
}

interface Visit<World> {
  readonly world: World;
  readonly path: readonly string[];
}

export interface Explored {
  /** How many states there are, the first ones among them. */
  readonly states: number;
  /** What broke an invariant, with the way there; the search ends with the step after which there are some. */
  readonly failures: readonly string[];
}

/** Breadth first, so that the first failures are those with the shortest ways. */
export const explore = <World>(exploring: Exploring<World>): Explored => {
  const seen = new Set(exploring.starts.map(({ world }) => exploring.keyOf(world)));
  const failures: string[] = [];
  let frontier = exploring.starts;
  for (let depth = 0; depth <= exploring.depth && failures.length === 0; depth += 1) {
    const isLast = depth === exploring.depth;
    frontier = frontier.flatMap((visit) => {
      const found = visited(exploring, visit, seen, isLast);
      failures.push(...found.failures);
      return found.next;
    });
  }
  return { states: seen.size, failures };
};

/** What is wrong with one world, and the worlds that come next and were not seen yet. */
const visited = <World>(
  { actsOf, keyOf, faultOf }: Exploring<World>,
  { world, path }: Visit<World>,
  seen: Set<string>,
  isLast: boolean,
): { failures: string[]; next: Visit<World>[] } => {
  const failures: string[] = [];
  const next: Visit<World>[] = [];
  /** Notes a fault under the name of what was done. */
  const attempt = (name: string, act: () => string | undefined): void => {
    const told = outcomeOf(act);
    if (told !== undefined) failures.push(`${[...path, name].join("; ")}: ${told}`);
  };
  attempt("quiet", () => faultOf(world));
  if (isLast) return { failures, next };
  for (const [name, act] of actsOf(world)) {
    attempt(name, () => {
      const after = act();
      const key = keyOf(after);
      if (seen.has(key)) return undefined;
      seen.add(key);
      next.push({ world: after, path: [...path, name] });
      return undefined;
    });
  }
  return { failures, next };
};

const outcomeOf = (act: () => string | undefined): string | undefined => {
  try {
    return act();
  } catch (error) {
    return String(error);
  }
};
