// SPDX-License-Identifier: Apache-2.0
// Has graphene-pk11 use pkcs11js as it is: each of its modules copies all constants of it into an object of its own.
import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";

/** What TypeScript makes of `import * as pkcs11`. The copy has no more than what is copied, and a default that nobody uses. */
const COPYING = 'tslib_1.__importStar(require("pkcs11js"))';

export const grapheneImports: Plugin = {
  name: "graphene-imports",
  setup: (builder) => {
    builder.onLoad({ filter: /\/graphene-pk11\/build\/cjs\/.*\.js$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8")).replaceAll(COPYING, 'require("pkcs11js")'),
      loader: "js",
    }));
  },
};
