// SPDX-License-Identifier: Apache-2.0
// `npm run generate`: writes the files that are made from the TypeScript sources.
import { mkdirSync, writeFileSync } from "node:fs";
import { CRDS, crdText } from "./crd.ts";

const folder = new URL("../manifests/crds/", import.meta.url);
mkdirSync(folder, { recursive: true });
for (const name of Object.keys(CRDS)) writeFileSync(new URL(name, folder), crdText(name));
