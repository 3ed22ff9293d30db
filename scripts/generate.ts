// SPDX-License-Identifier: Apache-2.0
// `npm run generate`: writes the generated files.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { CRDS, crdText } from "./crd.ts";
import { DOCUMENTS_WITH_TABLES, withVariableTables } from "./variable-tables.ts";

const folder = new URL("../manifests/crds/", import.meta.url);
mkdirSync(folder, { recursive: true });
for (const name of Object.keys(CRDS)) writeFileSync(new URL(name, folder), crdText(name));

for (const name of DOCUMENTS_WITH_TABLES) {
  const file = new URL(`../docs/${name}`, import.meta.url);
  writeFileSync(file, withVariableTables(readFileSync(file, "utf8")));
}
