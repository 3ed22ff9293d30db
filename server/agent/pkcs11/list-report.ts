// SPDX-License-Identifier: Apache-2.0
// Builds what a list reports: a row for each secret, without a value, and the token's objects that can't be used.
import type { ObjectProblem } from "../../agent-api/schema.ts";
import { isMislabelled } from "../storage/path.ts";
import { listedPathOf, type ObjectName, pathsOf } from "../storage/secret.ts";
import { stampOf } from "../storage/stamp.ts";
import type { ListedSecret, ListResult, Secret } from "../store.ts";
import type { TokenView } from "./answers.ts";

/** The row of the secret at `path`. */
export const summaryOf = (
  path: string,
  { checksum, version, data, layout, metadata }: Secret,
): ListedSecret => {
  const bytes = [...data.values()].reduce((sum, value) => sum + value.length, 0);
  const { epoch, history } = stampOf(version, metadata);
  return {
    path,
    checksum,
    keys: [...data.keys()].sort(),
    bytes,
    version,
    ...(epoch > 0 && { epoch }),
    layout,
    ...(history.length > 0 && {
      history: history.map(([before, last]) => [before, last] as [number, number]),
    }),
  };
};

/** So many are named; their number is told in any case. */
const MAX_PROBLEMS = 1_000;

/** What a view tells of the objects that count for nothing, or would not if the configuration did not say so. */
export const problemsAmong = (
  objects: readonly ObjectName[],
): Pick<TokenView, "invalidLabels" | "publicObjects" | "problems"> => {
  const mislabelled = objects.filter(isMislabelled);
  const open = objects.filter((object) => object.isPublic === true && isOurs(object));
  const problems = [
    ...open.map((object) => problemOf(object, "public")),
    ...mislabelled.filter((object) => !open.includes(object)).map((object) => problemOf(object, "label")),
  ];
  return {
    invalidLabels: mislabelled.length,
    publicObjects: open.length,
    problems: problems.sort((a, b) => (a.label < b.label ? -1 : 1)).slice(0, MAX_PROBLEMS),
  };
};

const isOurs = (object: ObjectName): boolean => pathsOf(object).length > 0 || isMislabelled(object);

const problemOf = (object: ObjectName, problem: ObjectProblem["problem"]): ObjectProblem => ({
  label: object.label,
  path: listedPathOf(object) ?? null,
  problem,
});

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
