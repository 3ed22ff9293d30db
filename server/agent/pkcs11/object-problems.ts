// SPDX-License-Identifier: Apache-2.0
// The token's objects that count for nothing: how they are named, and which of them a list tells of.
import type { ObjectProblem } from "../../agent-api.ts";
import { isMislabelled, meantPath } from "../storage/path.ts";
import type { ObjectName } from "../storage/secret.ts";
import type { ListResult } from "../store.ts";
import type { TokenView } from "./answers.ts";

/** So many are named; their number is told in any case. */
const MAX_PROBLEMS = 1_000;

/** What a view tells of the objects that count for nothing. */
export const problemsAmong = (
  objects: readonly ObjectName[],
): Pick<TokenView, "invalidLabels" | "problems"> => {
  const mislabelled = objects.filter(isMislabelled);
  const problems = mislabelled
    .slice(0, MAX_PROBLEMS)
    .map(({ label }): ObjectProblem => ({ label, path: meantPath(label) ?? null, problem: "label" }));
  return { invalidLabels: mislabelled.length, problems };
};

/** The same list with those of the problems that are below its prefix. */
export const withProblems = <R extends ListResult>(
  result: R,
  view: TokenView | undefined,
  prefix: string,
): R => {
  if (result.kind !== "listed") return result;
  const problems = view?.problems.filter(({ label, path }) => (path ?? label).startsWith(prefix)) ?? [];
  return { ...result, problems };
};
