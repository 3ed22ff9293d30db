// SPDX-License-Identifier: Apache-2.0
// Makes a folder with the files that the image gets, by the steps of the Dockerfile, outside of the repository: there no
// package is found that is not in the image.
import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The arguments of the instructions `name` of the Dockerfile. */
const instructions = (name: string): string[] =>
  readFileSync(join(root, "Dockerfile"), "utf8")
    .split("\n")
    .flatMap((line) => (line.startsWith(`${name} `) ? [line.slice(name.length + 1)] : []));

/** Copies what one COPY names from `from` to `to`. A folder is copied to the name that it is given, a file into a folder. */
const copy = (from: string, to: string, words: readonly string[]): void => {
  const target = words.at(-1) ?? "";
  for (const source of words.slice(0, -1)) {
    const path = target.endsWith("/") ? join(to, target, source.split("/").at(-1) ?? "") : join(to, target);
    cpSync(join(from, source), path, { recursive: true });
  }
};

/** The image's /app, until the test is over. */
export const makeProduct = (t: Test): { folder: string; files: string[] } => {
  const made = mkdtempSync(join(tmpdir(), "keyswitch-image-"));
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  const [context, folder] = [join(made, "context"), join(made, "app")];
  const copies = instructions("COPY").map((rest) => rest.split(" "));
  for (const words of copies.filter(([first]) => !first?.startsWith("--from"))) copy(root, context, words);
  symlinkSync(join(root, "node_modules"), join(context, "node_modules"));
  const [build = ""] = instructions("RUN").filter((command) => command.startsWith("node "));
  execFileSync(process.execPath, build.split(" ").slice(1), { cwd: context, stdio: ["ignore", "ignore", 2] });
  for (const [option, ...words] of copies) {
    if (option === "--from=build") {
      copy(
        context,
        folder,
        words.map((word) => word.replace(/^\/app\//, "")),
      );
    }
  }
  const files = globSync("**/*", { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  return { folder, files: files.toSorted() };
};
