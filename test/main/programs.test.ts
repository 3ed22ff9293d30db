// SPDX-License-Identifier: Apache-2.0
// Tests that the build makes each program of package.json from a source that a shell can start.
import { readFileSync } from "node:fs";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import { BUNDLES } from "../../scripts/bundle/bundle-roles.ts";

const root = new URL("../../", import.meta.url);
const Package = Type.Object({ bin: Type.Record(Type.String(), Type.String()) });

t.test("every bin has its source", async (t) => {
  const manifest: unknown = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
  if (!Value.Check(Package, manifest)) return t.fail("package.json has no bin");
  t.ok("kubectl-hsm" in manifest.bin);
  for (const [name, built] of Object.entries(manifest.bin)) {
    const source = built.replace(/^(\.\/)?dist\//, "").replace(/\.js$/, ".ts");
    t.match(readFileSync(new URL(source, root), "utf8"), /^#!\/usr\/bin\/env node\n/, name);
    t.equal(BUNDLES[built.replace(/^(\.\/)?dist\/|\.js$/g, "")], source, `${built} is built`);
  }
});
