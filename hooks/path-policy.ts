// SPDX-License-Identifier: Apache-2.0
// Decides which namespace may read and write which paths of the token: its own, and those that the policy's rules add.
import { type Static, Type } from "@sinclair/typebox";
import { isHsmPath } from "./formats.ts";
import { type Quota, QuotaLimits } from "./quota.ts";

/**
 * One rule: HSMSecrets in `namespace` may read the path `prefix` and everything below it; with `write`, also write
 * there. In both, `*` stands for any run of characters within a segment and a segment `**` for any number of them. A rule
 * without `prefix` is about the namespace's own secrets/<namespace>/…: `write: false` forbids writing there, `quota` limits it.
 */
export const PathPolicyRule = Type.Object(
  {
    namespace: Type.String({ pattern: "^[a-z0-9*-]+$", maxLength: 63 }),
    prefix: Type.Optional(
      Type.String({ pattern: "^[A-Za-z0-9._*-]+(/[A-Za-z0-9._*-]+)*/?$", maxLength: 255 }),
    ),
    write: Type.Optional(Type.Boolean()),
    quota: Type.Optional(QuotaLimits),
  },
  { additionalProperties: false },
);
export type PathPolicyRule = Static<typeof PathPolicyRule>;

/** The rules of PATH_POLICY_FILE, beside what every namespace may do anyway. */
export const PathPolicy = Type.Array(PathPolicyRule);
export type PathPolicy = Static<typeof PathPolicy>;

/** What the schema can't say of a rule: the field that is wrong, and why; undefined where nothing is. */
export const ruleFault = ({ prefix, write, quota }: PathPolicyRule): [string, string] | undefined => {
  if (prefix !== undefined && quota !== undefined) {
    return ["quota", "is about the namespace's own paths: give it a rule without prefix"];
  }
  if (prefix === undefined && write === undefined && quota === undefined) {
    return ["prefix", "is missing, and so are write and quota: the rule says nothing"];
  }
  return undefined;
};

/** Whether `text` matches `glob`, in which `*` is any run of characters. Linear: no backtracking over regular expressions. */
const matchesGlob = (glob: string, text: string): boolean => {
  const parts = glob.split("*");
  const head = parts[0] ?? "";
  const tail = parts.at(-1) ?? "";
  if (parts.length === 1) return glob === text;
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  let from = head.length;
  for (const part of parts.slice(1, -1)) {
    const at = text.indexOf(part, from);
    if (at < 0 || at + part.length > text.length - tail.length) return false;
    from = at + part.length;
  }
  return true;
};

/**
 * Whether the leading segments of `path` match all of `globs`; what follows them is below the prefix. A `**` takes as little as
 * it can, and more only where what follows does not fit: at most globs × segments steps.
 */
const isBelow = (globs: readonly string[], path: readonly string[]): boolean => {
  let [glob, at] = [0, 0];
  let last: { glob: number; at: number } | undefined;
  while (glob < globs.length) {
    const wanted = globs[glob] ?? "";
    const segment = path[at];
    if (wanted === "**") last = { glob: ++glob, at };
    else if (segment !== undefined && matchesGlob(wanted, segment)) [glob, at] = [glob + 1, at + 1];
    else if (last !== undefined && last.at < path.length) {
      last.at += 1;
      [glob, at] = [last.glob, last.at];
    } else return false;
  }
  return true;
};

const isOwn = (namespace: string, path: string): boolean => path.startsWith(`secrets/${namespace}/`);

const covers = ({ namespace: glob, prefix }: PathPolicyRule, namespace: string, path: string): boolean =>
  matchesGlob(glob, namespace) &&
  (prefix === undefined
    ? isOwn(namespace, path)
    : isBelow(prefix.replace(/\/$/, "").split("/"), path.split("/")));

/** Whether an HSMSecret in `namespace` may read `path`: `secrets/<namespace>/…`, or what a rule of the policy adds. */
export const mayRead = (policy: PathPolicy, namespace: string, path: string): boolean =>
  isHsmPath(path) && (isOwn(namespace, path) || policy.some((rule) => covers(rule, namespace, path)));

/**
 * Whether an HSMSecret in `namespace` may write or remove `path`: its own, unless a rule with `write: false` covers it, and in
 * any case what a rule with `write: true` does.
 */
export const mayWrite = (policy: PathPolicy, namespace: string, path: string): boolean => {
  const says = (write: boolean) =>
    policy.some((rule) => rule.write === write && covers(rule, namespace, path));
  return isHsmPath(path) && (says(true) || (isOwn(namespace, path) && !says(false)));
};

/** The quota of `namespace`: no limits, or those of the first rule for it that has one. */
export const quotaOf = (policy: PathPolicy, namespace: string): Quota => ({
  prefix: `secrets/${namespace}/`,
  ...policy.find(({ namespace: glob, quota }) => quota !== undefined && matchesGlob(glob, namespace))?.quota,
});
