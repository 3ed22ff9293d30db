// SPDX-License-Identifier: Apache-2.0
// Defines a part of a benchmark: what it measures, and what it hands over to the summary.
import type { Goal } from "./goals.ts";

/** Where a part measures, and what it was asked for beside its name. */
export interface PartScene {
  /** An empty folder that is removed afterwards. */
  readonly folder: string;
  /** Where files beside the figures go, such as plots; it is there. */
  readonly results: string;
  /** An option of the command line with a value, where it was given. */
  option(name: string): string | undefined;
}

/** `figures` as they are written beside the goals. */
type Measured =
  | { readonly kind: "measured"; readonly figures: object; readonly goals: readonly Goal[] }
  | { readonly kind: "not measured"; readonly why: string };

/** Prints `figures`, and hands them over with their goals. */
export const measured = <Figures extends object>(
  figures: Figures,
  report: (figures: Figures) => void,
  goals: (figures: Figures) => readonly Goal[],
): Measured => {
  report(figures);
  return { kind: "measured", figures, goals: goals(figures) };
};

export interface Part {
  readonly name: string;
  readonly about: string;
  /** The heading of docs/performance.md that says where its time and memory go. */
  readonly heading: string;
  /** Only run where it is named. */
  readonly onDemand?: true;
  /** Measures, and prints the figures. */
  measure(scene: PartScene): Promise<Measured>;
}

/** What came of a part. */
export interface Outcome {
  readonly part: Part;
  readonly result: Measured | { readonly kind: "failed"; readonly why: string };
}

/** As GitHub makes the anchor of a heading. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
