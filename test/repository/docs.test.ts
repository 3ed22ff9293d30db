// SPDX-License-Identifier: Apache-2.0
// Tests that the documents match the code: reasons, fields, commands.
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { Mirroring } from "../../hooks/hsmdevice/mirroring-schema.ts";
import { HSMSecretSpec } from "../../hooks/hsmsecret/schema.ts";
import { REASONS } from "../../hooks/hsmsecret/status.ts";
import { PHASES, ToggleSpec } from "../../hooks/toggle/schema.ts";
import { helpText } from "../../server/bot/answers.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string) => readFileSync(join(root, file), "utf8");
const documents = globSync(["*.md", ".github/**/*.md", "docs/**/*.md", "hooks/*.md"], { cwd: root });

/** The first cells of the table rows of `text` that hold one word in backquotes. */
const cells = (text: string): string[] =>
  [...text.matchAll(/^\| `([\w]+)` \|/gm)].map(([, cell = ""]) => cell);

t.test("docs/hsmsecret.md explains each field of the spec and each reason, and no other", async (t) => {
  const [fields = "", reasons = ""] = read("docs/hsmsecret.md").split("## Status");
  t.same(cells(fields).sort(), Object.keys(HSMSecretSpec.properties).sort());
  t.same(cells(reasons).sort(), [...REASONS].sort());
});

t.test("docs/hsmdevice.md explains each field of spec.mirroring", async (t) => {
  const [, mirroring = ""] = read("docs/hsmdevice.md").split("| field of spec.mirroring |");
  const [fields = ""] = mirroring.split("\n\n");
  t.same(cells(fields).sort(), Object.keys(Mirroring.properties).sort());
});

t.test("docs/toggle.md explains each field of the spec and each phase, and no other", async (t) => {
  const [fields = "", status = ""] = read("docs/toggle.md").split("## Status");
  const [phases = ""] = status.split("\n## ");
  t.same(cells(fields).sort(), Object.keys(ToggleSpec.properties).sort());
  t.same(cells(phases).sort(), [...PHASES].sort());
});

t.test("docs/chat.md has every command that the bot's help has", async (t) => {
  const words = [...helpText([]).matchAll(/^([a-z]+)(?: \[[A-Z]+\])*: /gm)].map(([, word = ""]) => word);
  t.ok(words.length >= 5);
  for (const word of words) t.match(read("docs/chat.md"), new RegExp(`^\\| \`${word}\``, "m"), word);
});

t.test("each hook has the files that hooks/README.md names", async (t) => {
  const [, files = ""] = read("hooks/README.md").split("## The files of a hook");
  const names = [...files.matchAll(/^\| `([\w-]+\.ts)` \|/gm)].map(([, name = ""]) => name);
  t.ok(names.length > 5);
  for (const hook of globSync("hooks/*/index.ts", { cwd: root }).map(dirname)) {
    for (const name of names) t.ok(existsSync(join(root, hook, name)), `${hook}/${name}`);
  }
});

t.test("every npm command of the documents is a script", async (t) => {
  const { scripts } = JSON.parse(read("package.json"));
  for (const document of documents) {
    for (const [, run, name] of read(document).matchAll(/\bnpm (run )?(start|test|ci|[a-z:]+)\b/g)) {
      if (run || name === "start" || name === "test") {
        t.ok(scripts[name ?? ""], `${document}: npm run ${name}`);
      }
    }
  }
});

t.test("every source and every document begins with the licence", async (t) => {
  const files = globSync(
    [
      "{hooks,server,scripts,test}/**/*.{ts,mjs,sh,c}",
      "{docs,manifests,scripts,test}/**/*.md",
      "{manifests,.github}/**/*.yaml",
      ".github/{CODEOWNERS,*.md,*.yml,ISSUE_TEMPLATE/*.yml}",
      "*.md",
      ".ci/run",
    ],
    { cwd: root },
  );
  t.ok(files.length > 50);
  for (const file of files) {
    const head = read(file).split("\n").slice(0, 2).join("\n");
    t.match(head, /SPDX-License-Identifier: Apache-2\.0/, file);
  }
});
