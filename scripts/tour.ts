// SPDX-License-Identifier: Apache-2.0
// Runs the tour of `npm start -- --once` on the local stack, and prints a table of the results.
import type { Stack } from "./local/stack.ts";
import type { Step } from "./tour-step.ts";
import { stepsOf } from "./tour-steps.ts";

/** How many steps it has, beside those of a set. */
export const TOUR_STEPS = 18;

/** A row of the table at the end. */
export interface StepResult {
  readonly title: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly milliseconds: number;
}

/** Runs the tour, waiting `seconds` at most for each thing to come about. */
export const runTour = (stack: Stack, say: (line: string) => void, seconds = 60): Promise<StepResult[]> =>
  runSteps(stepsOf(stack, seconds), say);

/** Runs `steps`; one after another that failed still runs, so that the table is whole. */
export const runSteps = async (
  steps: readonly Step[],
  say: (line: string) => void,
): Promise<StepResult[]> => {
  const results: StepResult[] = [];
  for (const { title, run } of steps) {
    const begin = performance.now();
    const outcome = await run().then(
      (detail) => ({ ok: true, detail }),
      (error: unknown) => ({ ok: false, detail: error instanceof Error ? error.message : String(error) }),
    );
    const milliseconds = Math.round(performance.now() - begin);
    results.push({ title, ...outcome, milliseconds });
    say(`${outcome.ok ? "ok    " : "FAILED"} ${title} (${milliseconds} ms): ${outcome.detail}`);
  }
  return results;
};

/** The table that the tour ends with. */
export const tableOf = (results: readonly StepResult[]): string => {
  const width = Math.max(...results.map(({ title }) => title.length));
  const line = "-".repeat(width + 20);
  const rows = results.map(
    ({ title, ok, milliseconds }) =>
      `${title.padEnd(width)}  ${String(milliseconds).padStart(7)} ms  ${ok ? "ok" : "FAILED"}`,
  );
  return [line, ...rows, line].join("\n");
};
