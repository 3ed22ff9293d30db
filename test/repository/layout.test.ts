// SPDX-License-Identifier: Apache-2.0
// Tests that test/ mirrors hooks/ and server/ folder by folder, so that the tests of a file are found by its path.
import { globSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const root = fileURLToPath(new URL("../../", import.meta.url));
const isFolder = (path: string): boolean =>
  statSync(`${root}${path}`, { throwIfNoEntry: false })?.isDirectory() === true;

/** What is no mirror: each is told in CONTRIBUTING.md. */
const OTHERS = [
  "cases",
  "doubles",
  "end-to-end",
  "fixtures",
  "homeserver",
  "main",
  "manifests",
  "repository",
];

const folders = [...new Set(globSync("test/**/*.ts", { cwd: root }).map((file) => dirname(file)))]
  .map((folder) => folder.slice("test/".length))
  .filter((folder) => folder !== "" && !OTHERS.includes(folder.split("/")[0] ?? ""));

/** Where what a folder of tests tries is. `card` is a module and its hardware, beside the module's other tests. */
const mirrored = (folder: string): string => {
  if (folder === "agent/pkcs11/card") return "server/agent/pkcs11";
  return folder === "hooks" || folder.startsWith("hooks/") ? folder : `server/${folder}`;
};

t.test("each folder of test/ is one of hooks/ or server/", async (t) => {
  t.ok(folders.length > 15);
  t.same(
    folders.filter((folder) => !isFolder(mirrored(folder))),
    [],
  );
});

t.test("what is no mirror is told in CONTRIBUTING", async (t) => {
  const contributing = readFileSync(`${root}CONTRIBUTING.md`, "utf8");
  for (const folder of OTHERS) {
    t.ok(isFolder(`test/${folder}`) && contributing.includes(`test/${folder}/`), folder);
  }
});
