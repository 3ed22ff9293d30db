// SPDX-License-Identifier: Apache-2.0
// Tests the links of the documents: files and headings, the list of decisions, the paths of CONTRIBUTING.md.
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string) => readFileSync(join(root, file), "utf8");
const documents = globSync(
  ["*.md", ".github/**/*.md", "{docs,hooks,manifests,scripts,server,test}/**/*.md"],
  { cwd: root },
);

/** `text` without its blocks of code. */
const prose = (text: string): string =>
  text.replaceAll(/^(```|~~~).*?^\1/gms, "").replaceAll(/^ {4}.*$/gm, "");

/** What links within `text` and to it are called: GitHub's names of its headings. */
const anchorsOf = (text: string): string[] => {
  const seen = new Map<string, number>();
  return [...prose(text).matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, heading = ""]) => {
    const name = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
      .replaceAll(" ", "-");
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    return before === 0 ? name : `${name}-${before}`;
  });
};

/** The targets of the links of `text` that stay in the repository. */
const linksOf = (text: string): string[] =>
  [...prose(text).matchAll(/\]\(<?(?![a-z]+:)([^)\s>]+)/g)].map(([, target = ""]) => target);

/** What is wrong with a link of `document`; undefined where nothing is. */
const faultOf = (document: string, link: string): string | undefined => {
  const [path = "", anchor] = link.split("#");
  const file = path === "" ? document : join(dirname(document), path);
  if (!existsSync(join(root, file))) return `there is no ${file}`;
  if (anchor === undefined || anchorsOf(read(file)).includes(anchor)) return undefined;
  return `${file} has no heading #${anchor}`;
};

t.test("a heading is called as GitHub calls it", async (t) => {
  const text =
    "# 1. The `bot`, and *more*\n\n```sh\n# a comment\n```\n\n## A-b_c\n\n## [Same](x.md)\n\n## Same\n\n    # code\n";
  t.same(anchorsOf(text), ["1-the-bot-and-more", "a-b_c", "same", "same-1"]);
});

t.test("every link leads to a file and a heading that are there", async (t) => {
  t.ok(documents.length > 15);
  for (const document of documents) {
    for (const link of linksOf(read(document))) {
      t.equal(faultOf(document, link), undefined, `${document}: ${link}`);
    }
  }
});

t.test("every decision is listed in docs/adr/README.md, and numbered", async (t) => {
  const decisions = globSync("docs/adr/*.md", { cwd: root })
    .map((file) => basename(file))
    .filter((name) => name !== "README.md")
    .sort();
  const listed = linksOf(read("docs/adr/README.md")).filter((link) => /^\d/.test(link));
  t.same(listed, decisions, "in the order of their numbers, each once");
  for (const [index, name] of decisions.entries()) {
    const number = String(index + 1).padStart(4, "0");
    t.match(name, new RegExp(`^${number}-[a-z0-9-]+\\.md$`));
    const text = read(`docs/adr/${name}`);
    t.match(text, new RegExp(`^# ${index + 1}\\. `, "m"));
    const headings = ["Context", "Decision", "Consequences", "Alternatives"];
    t.same(
      [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading),
      headings,
      name,
    );
  }
});

t.test("every path that CONTRIBUTING.md names in backquotes is there", async (t) => {
  const named = [...prose(read("CONTRIBUTING.md")).matchAll(/`([^`\s]+)`/g)].map(([, text = ""]) => text);
  const paths = named.filter((text) =>
    /^[\w.*-]+(\/[\w.*-]*)+$|^\.?[\w-]+\.(json|md|ts|yaml)$|^\.npmrc$/.test(text),
  );
  t.ok(paths.length > 15);
  for (const path of paths) t.ok(globSync(path, { cwd: root }).length > 0, path);
});
