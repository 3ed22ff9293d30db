// SPDX-License-Identifier: Apache-2.0
// Tests that the folders of server/ import one another without cycles, in types too.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import t from "tap";

const server = new URL("../../server/", import.meta.url);

/** The folder of server/ that a file is in; undefined for a file that is in none. */
const folderOf = (file: string): string | undefined => /^([^/.]+)\//.exec(file)?.[1];

/** The files of server/ that a file imports, dynamically as well, as paths from there. */
const importsOf = (file: string): string[] =>
  [...readFileSync(new URL(file, server), "utf8").matchAll(/\b(?:from|import)\b\s*\(?\s*"(\.[^"]+)"/g)].map(
    ([, path = ""]) => normalize(join(dirname(file), path)),
  );

/** Folder → folders that its files import, each with one file that does. */
const folderImports = (): Map<string, Map<string, string>> => {
  const found = new Map<string, Map<string, string>>();
  for (const file of readdirSync(server, { recursive: true, encoding: "utf8" })) {
    const from = folderOf(file);
    if (from === undefined || !file.endsWith(".ts")) continue;
    const imported = found.get(from) ?? new Map<string, string>();
    found.set(from, imported);
    for (const to of importsOf(file).map(folderOf)) {
      if (to !== undefined && to !== from) imported.set(to, file);
    }
  }
  return found;
};

/** The way from a folder back to itself, as the files that go it; undefined where there is none. */
const wayBack = (graph: Map<string, Map<string, string>>, start: string): string[] | undefined => {
  const seen = new Set<string>();
  const search = (at: string, way: readonly string[]): string[] | undefined => {
    for (const [to, file] of graph.get(at) ?? []) {
      if (to === start) return [...way, `${file} imports ${to}/`];
      if (seen.has(to)) continue;
      seen.add(to);
      const found = search(to, [...way, `${file} imports ${to}/`]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return search(start, []);
};

t.test("no way of imports leads from a folder of server/ back to it", async (t) => {
  const graph = folderImports();
  t.ok(graph.size > 5, `${graph.size} folders`);
  for (const folder of graph.keys()) t.equal(wayBack(graph, folder)?.join(", "), undefined, folder);
});

t.test("server/config imports no other folder", async (t) => {
  t.same([...(folderImports().get("config")?.keys() ?? [])], []);
});
