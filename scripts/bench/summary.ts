// SPDX-License-Identifier: Apache-2.0
// Sums up a run of a benchmark: the goals of all parts, whether each was met, and where to read about those that were missed.
import { anchorOf, type Outcome, type Part } from "./part.ts";

/** Rows of a table: a part, then its goals, each with its figure. */
export const goalRows = (outcomes: readonly Outcome[]): string[][] =>
  outcomes.flatMap(({ part, result }) => {
    if (result.kind !== "measured") return [[`${part.name}: ${result.why}`, "", result.kind]];
    if (result.goals.length === 0) return [[`${part.name}: no goals`, "", ""]];
    const goals = result.goals.map(({ goal, figure, met }) => [`  ${goal}`, figure, met ? "met" : "MISSED"]);
    return [[part.name, "", ""], ...goals];
  });

const missedIn = ({ result }: Outcome): number =>
  result.kind === "measured" ? result.goals.filter(({ met }) => !met).length : 0;

const whereOf = (outcomes: readonly Outcome[]): string[] => {
  const parts = new Map<string, Part[]>();
  for (const outcome of outcomes) {
    if (missedIn(outcome) === 0) continue;
    const { heading } = outcome.part;
    parts.set(heading, [...(parts.get(heading) ?? []), outcome.part]);
  }
  return [...parts].map(
    ([heading, of]) =>
      `  docs/performance.md#${anchorOf(heading)} (${of.map(({ name }) => name).join(", ")})`,
  );
};

/** The last lines: how many goals were met, and where to read on. */
export const lastLines = (outcomes: readonly Outcome[]): string[] => {
  const all = outcomes.flatMap(({ result }) => (result.kind === "measured" ? result.goals : []));
  const missed = outcomes.reduce((sum, outcome) => sum + missedIn(outcome), 0);
  const where = whereOf(outcomes);
  return [
    `${all.length} goal${all.length === 1 ? "" : "s"}: ${all.length - missed} met, ${missed} missed.`,
    ...(where.length > 0 ? ["Where the time and memory of those go:", ...where] : []),
  ];
};
