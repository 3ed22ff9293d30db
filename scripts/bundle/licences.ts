// SPDX-License-Identifier: Apache-2.0
// Writes the licences of the packages whose code is in the bundles, which have to be with it, into one file.
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

const Manifest = Type.Object({ name: Type.String(), version: Type.String(), license: Type.String() });
const TEXTS = "{LICEN[CS]E,licen[cs]e,Licen[cs]e,NOTICE,COPYING}*";

/** The folders of packages, below `root`, that the files are in: the innermost, as packages can have packages. */
const packagesOf = (inputs: Iterable<string>): string[] => {
  const folders = new Set<string>();
  for (const file of inputs) {
    const [, folder] = file.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//) ?? [];
    if (folder !== undefined) folders.add(folder);
  }
  return [...folders].toSorted();
};

/** From the heading of the licence on: some packages say it in their README alone. */
const ofReadme = (folder: string): string[] => {
  const [readme] = globSync("{README,Readme,readme}.md", { cwd: folder });
  if (readme === undefined) return [];
  const text = readFileSync(join(folder, readme), "utf8");
  const at = text.search(/^#+ *licen[cs]e\b/im);
  return at < 0 ? [] : [text.slice(at).trim()];
};

const licenceOf = (root: string, folder: string): string => {
  const path = join(root, folder);
  const manifest: unknown = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  if (!Value.Check(Manifest, manifest)) throw new Error(`${folder} does not say under which licence it is`);
  const files = existsSync(path) ? globSync(TEXTS, { cwd: path }).toSorted() : [];
  const texts = files.map((file) => readFileSync(join(path, file), "utf8").trim());
  const told = texts.length > 0 ? texts : ofReadme(path);
  return [`${manifest.name} ${manifest.version} (${manifest.license})`, ...told].join("\n\n");
};

/** The text of the file, for source files of `root` that are in the bundles. @throws Error for a package without a licence */
export const licencesOf = (root: string, inputs: Iterable<string>): string =>
  `${packagesOf(inputs)
    .map((folder) => licenceOf(root, folder))
    .join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
