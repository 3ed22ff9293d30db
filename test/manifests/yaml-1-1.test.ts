// SPDX-License-Identifier: Apache-2.0
// Tests that kubectl, which reads YAML 1.1, finds the words in our manifests and examples that are written there: a plain on is true to it.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parseAllDocuments, visit } from "yaml";
import { root } from "./rendered.ts";

/** The plain words of `text` that YAML 1.1 takes for something else, but for octal numbers, which are meant. */
const misread = (text: string): string[] =>
  parseAllDocuments(text, { version: "1.1" }).flatMap((document) => {
    const found: string[] = [];
    visit(document, {
      Scalar: (key, { value, source, type }) => {
        if (type !== "PLAIN" || source === undefined) return;
        const isWord = typeof value === "boolean" && source !== "true" && source !== "false";
        if (isWord || (key === "key" && typeof value !== "string")) found.push(source);
      },
    });
    return found;
  });

const indented = (text: string): string[] =>
  text.match(/^ {4}[a-z][\w-]*:\n(?: {6}.*\n)+/gim)?.map((block) => block.replaceAll(/^ {4}/gm, "")) ?? [];
const fenced = (text: string): string[] =>
  [...text.matchAll(/^( *)```yaml\n(.*?)^\1```$/gms)].map(([, indent = "", block = ""]) =>
    block.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );

t.test("no manifest has a word that is a boolean to kubectl", async (t) => {
  const files = globSync("manifests/**/*.yaml", { cwd: root });
  t.ok(files.length > 50);
  for (const file of files) t.same(misread(readFileSync(join(root, file), "utf8")), [], file);
});

t.test("no example of the documents has one", async (t) => {
  for (const file of globSync(["*.md", "docs/**/*.md", "manifests/**/*.md"], { cwd: root })) {
    const text = readFileSync(join(root, file), "utf8");
    for (const block of [...indented(text), ...fenced(text)]) t.same(misread(block), [], `${file}: ${block}`);
  }
});

t.test("this finds words that are keys, values and entries", async (t) => {
  t.same(misread('schedule:\n  - on: [a]\n    "off": [b]\nphase: Off\nenum: [y, "no", true]\nmode: 0440\n'), [
    "on",
    "Off",
    "y",
  ]);
});
