// SPDX-License-Identifier: Apache-2.0
// Has bundles get Node's own modules by require: an import statement makes Node read all that such a module exports.
import { isBuiltin } from "node:module";
import type { Plugin } from "esbuild";

const NAMESPACE = "node-module";

/**
 * To give an imported module's exports their names, Node reads each of them once, lazy ones too: for `node:http` it so loads the
 * whole of its own undici, for the name WebSocket. require() reads nothing.
 */
export const nodeModulesByRequire: Plugin = {
  name: "node-modules-by-require",
  setup: (builder) => {
    builder.onResolve({ filter: /./ }, ({ path, kind }) =>
      (kind === "import-statement" || kind === "dynamic-import") && isBuiltin(path)
        ? { path, namespace: NAMESPACE }
        : undefined,
    );
    builder.onLoad({ filter: /./, namespace: NAMESPACE }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
      loader: "js",
    }));
  },
};
