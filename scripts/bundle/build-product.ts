// SPDX-License-Identifier: Apache-2.0
// Makes the folder that the product runs from, dist/ and the image's: bundles, the packages that they need, and licences.
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../../package.json" with { type: "json" };
import { bundleRoles } from "./bundle-roles.ts";
import { licencesOf } from "./licences.ts";
import { copyRuntimePackages } from "./runtime-packages.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Makes `folder` anew. @throws Error where the sources can't be bundled, or a package is not installed */
export const buildProduct = async (folder: string): Promise<void> => {
  rmSync(folder, { recursive: true, force: true });
  const inputs = await bundleRoles(folder);
  copyRuntimePackages(root, folder);
  writeFileSync(join(folder, "THIRD-PARTY-LICENSES.txt"), licencesOf(root, inputs));
  for (const program of Object.values(manifest.bin)) {
    chmodSync(join(folder, program.replace(/^dist\//, "")), 0o755);
  }
};
