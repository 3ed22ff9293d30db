// SPDX-License-Identifier: Apache-2.0
// Tests that the code has one dialect where the linter has no rule: arrow functions, braces, and first lines that say what a file does.
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";

const root = fileURLToPath(new URL("../../", import.meta.url));
const FOLDERS = "{hooks,server,scripts,test}/**/*.ts";
/** Holds the completion scripts of shells, whose `else` has no braces. */
const SHELL = "server/kubectl-hsm/verbs/completion.ts";
const files = globSync(FOLDERS, { cwd: root })
  .filter((file) => file !== SHELL)
  .sort();
const linesOf = (file: string): string[] => readFileSync(`${root}${file}`, "utf8").split("\n");

const indentOf = (line = ""): number => line.length - line.trimStart().length;

/** `function` has no other use here than generators, assertions and overloads, which arrow functions can't be. */
const isFunctionDeclaration = (line: string): boolean =>
  /^\s*(export )?(async )?function \w/.test(line) && line.trimEnd().endsWith("{");

/** Declarations without a body before it are overloads. */
const isOverloaded = (lines: readonly string[], at: number): boolean => {
  const name = lines[at]?.match(/function (\w+)/)?.[1];
  return lines.filter((line) => line.includes(`function ${name}(`)).length > 1;
};

/** Whether the head at `at` ends there, and its body stands below it without braces. */
const isBareBlock = (lines: readonly string[], at: number): boolean => {
  const line = lines[at] ?? "";
  const below = lines[at + 1] ?? "";
  if (indentOf(below) <= indentOf(line) || /^\s*[.?:&|]/.test(below)) return false;
  if (/^\s*(\} )?else$/.test(line)) return true;
  return /^\s*(\} else )?(if|for|while) \(.*\)$/.test(line) || /^\s*(else if|else for) \(.*\)$/.test(line);
};

const found = (isFault: (lines: readonly string[], at: number) => boolean): string[] =>
  files.flatMap((file) => {
    const lines = linesOf(file);
    return lines.flatMap((_, at) => (isFault(lines, at) ? [`${file}:${at + 1}`] : []));
  });

t.test("functions are arrow functions", async (t) => {
  t.ok(files.length > 900);
  t.same(
    found((lines, at) => isFunctionDeclaration(lines[at] ?? "") && !isOverloaded(lines, at)),
    [],
  );
});

t.test("a body that does not stand in the line of its head has braces", async (t) => {
  t.same(found(isBareBlock), []);
});

t.test("each file says in its first comment what it does", async (t) => {
  const said = /^\/\/ [A-Z`].{20,}/;
  t.same(
    files.filter(
      (file) =>
        !linesOf(file)
          .slice(1, 3)
          .some((line) => said.test(line)),
    ),
    [],
  );
});
