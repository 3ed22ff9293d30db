// SPDX-License-Identifier: Apache-2.0
// Tests that hooks/ is pure: its imports, and the linter's messages for a hook that is not.
import { spawnSync } from "node:child_process";
import { copyFileSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const root = fileURLToPath(new URL("../..", import.meta.url));

t.test("hooks/ imports only itself and pure packages", async (t) => {
  const files = globSync("hooks/**/*.ts", { cwd: root });
  t.ok(files.length > 5);
  for (const file of files) {
    const text = readFileSync(`${root}/${file}`, "utf8");
    for (const [, from = ""] of text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)) {
      t.match(
        from,
        /^(\.{1,2}\/(?!.*(server|scripts)\/)|@sinclair\/typebox|croner$|node:crypto$)/,
        `${file} imports ${from}`,
      );
    }
  }
});

/** What each file of hooks/ imports of hooks/, types included. */
const importsOf = (file: string): string[] =>
  [...readFileSync(`${root}/${file}`, "utf8").matchAll(/from\s+"(\.[^"]+)"/g)].map(([, from = ""]) =>
    join(dirname(file), from),
  );

t.test("no file of hooks/ imports itself by way of others", async (t) => {
  const settled = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) t.fail(`a circle: ${[...way.slice(way.indexOf(file)), file].join(" > ")}`);
    if (settled.has(file) || way.includes(file)) return;
    for (const next of importsOf(file)) visit(next, [...way, file]);
    settled.add(file);
  };
  const files = globSync("hooks/**/*.ts", { cwd: root });
  for (const file of files) visit(file, []);
  t.equal(settled.size, files.length);
});

const IMPURE = {
  "a module of Node": 'import "node:fs";',
  "the server": 'import "../server/log.ts";',
  "the clock": "export const now = Date.now();",
  "the environment": "export const home = process.env.HOME;",
  "random bytes": 'import { randomBytes } from "node:crypto";',
  "all of node:crypto": 'import * as crypto from "node:crypto";',
  "what of croner reads the clock": 'import { Cron } from "croner";',
  "the network": 'export const page = fetch("x");',
};

for (const [what, line] of Object.entries(IMPURE)) {
  t.test(`the linter refuses a hook that uses ${what}`, async (t) => {
    const folder = t.testdir({ hooks: { "impure.ts": `${line}\n` } });
    copyFileSync(`${root}/biome.json`, `${folder}/biome.json`);
    const { status, stderr } = spawnSync(
      "biome",
      ["lint", "--vcs-enabled=false", "--colors=off", "hooks/impure.ts"],
      { cwd: folder, encoding: "utf8" },
    );
    t.not(status, 0);
    t.match(stderr, /hooks\/ (is|reads|does)/);
  });
}
