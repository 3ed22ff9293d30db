// SPDX-License-Identifier: Apache-2.0
// Tests that the CRD files match the TypeScript schemas, and that the schemas use only what a CRD can express.
import { readdirSync, readFileSync } from "node:fs";
import { Type } from "@sinclair/typebox";
import t from "tap";
import { CRDS, crdText, structural } from "../../scripts/crd.ts";

const folder = new URL("../../manifests/crds/", import.meta.url);

t.test("every file is as generated, and there is no other", async (t) => {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".yaml") && !file.endsWith("kustomization.yaml"),
  );
  t.same(files.sort(), Object.keys(CRDS).sort());
  for (const file of files) {
    t.equal(readFileSync(new URL(file, folder), "utf8"), crdText(file), `${file}: run npm run generate`);
  }
});

t.test("a schema that a CRD can't have is refused", async (t) => {
  t.throws(() => structural(Type.Union([Type.String(), Type.Integer()])), /string literals/);
});

t.test("a union of literals is an enumeration", async (t) => {
  const plain = (schema: unknown): unknown => JSON.parse(JSON.stringify(structural(schema)));
  t.same(plain(Type.Union([Type.Literal("a"), Type.Literal("b")], { default: "a" })), {
    type: "string",
    enum: ["a", "b"],
    default: "a",
  });
  t.same(plain(Type.Literal("a")), { type: "string", enum: ["a"] });
});
