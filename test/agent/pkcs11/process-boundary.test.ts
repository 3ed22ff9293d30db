// SPDX-License-Identifier: Apache-2.0
// Tests that the agent's process and its PKCS#11 child process share messages, but no code of each other.
import { readdirSync, readFileSync } from "node:fs";
import t from "tap";

const pkcs11 = new URL("../../../server/agent/pkcs11/", import.meta.url);

/** The files in a folder of server/agent/pkcs11 that import something of another. */
const importersOf = (other: string, folder: string): string[] =>
  readdirSync(new URL(folder, pkcs11))
    .filter((name) => name.endsWith(".ts"))
    .filter((name) => readFileSync(new URL(`${folder}/${name}`, pkcs11), "utf8").includes(`from "${other}`));

t.test("neither room imports from the other", async (t) => {
  t.same(importersOf("../child/", "parent"), []);
  t.same(importersOf("../parent/", "child"), []);
  t.same([...importersOf("./child/", "."), ...importersOf("./parent/", ".")], []);
});

t.test("only the child loads a PKCS#11 module", async (t) => {
  const ofBinding = (folder: string): string[] => [
    ...importersOf("graphene-pk11", folder),
    ...importersOf("pkcs11js", folder),
  ];
  t.same([...ofBinding("parent"), ...ofBinding(".")], []);
  t.ok(ofBinding("child").length > 0);
});
