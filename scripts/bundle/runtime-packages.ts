// SPDX-License-Identifier: Apache-2.0
// Copies the packages that can't be bundled, native code and WebAssembly, beside the bundles: of each only the files that run.
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { namelessWasm } from "./nameless-wasm.ts";

/** Of each package the files that a process reads; those of an optional one are there where its library was installed. */
const FILES: Readonly<Record<string, { readonly files: readonly string[]; readonly optional?: string }>> = {
  pkcs11js: { files: ["package.json", "LICENSE", "index.js", "build/Release/pkcs11.node"] },
  "@matrix-org/matrix-sdk-crypto-wasm": {
    files: [
      "package.json",
      "LICENSE",
      "node.mjs",
      "pkg/matrix_sdk_crypto_wasm_bg.js",
      "pkg/matrix_sdk_crypto_wasm_bg.wasm",
    ],
  },
  "@matrix-org/matrix-sdk-crypto-nodejs": {
    files: ["package.json", "LICENSE", "index.js"],
    optional: "*.node",
  },
};

/** The names of the packages that stay packages. */
export const RUNTIME_PACKAGES: readonly string[] = Object.keys(FILES);

/** Copies them from `root`/node_modules to `folder`/node_modules. @throws Error where one is not installed whole */
export const copyRuntimePackages = (root: string, folder: string): void => {
  for (const [name, { files, optional }] of Object.entries(FILES)) {
    const from = join(root, "node_modules", name);
    const libraries = optional === undefined ? [] : globSync(optional, { cwd: from });
    if (optional !== undefined && libraries.length === 0) continue;
    for (const file of [...files, ...libraries]) {
      if (!existsSync(join(from, file))) {
        throw new Error(`${name} has no ${file}: was its install script run? (npm rebuild ${name})`);
      }
      const to = join(folder, "node_modules", name, file);
      if (file.endsWith(".wasm")) writeNameless(join(from, file), to);
      else cpSync(join(from, file), to);
    }
  }
};

/** A new file, whatever is there: what is copied may be a link to the package's own, or read-only as that is. */
const writeNameless = (from: string, to: string): void => {
  mkdirSync(dirname(to), { recursive: true });
  rmSync(to, { force: true });
  writeFileSync(to, namelessWasm(readFileSync(from)));
};
