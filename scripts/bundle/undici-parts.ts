// SPDX-License-Identifier: Apache-2.0
// Bundles of undici only the parts that server/ uses: its index loads all of it (fetch, WebSocket, mocks, caches, SQLite).
import type { Plugin } from "esbuild";

/** What undici exports under each name, and the module that has it. The API's functions are methods of each dispatcher. */
const PARTS = `
const Dispatcher = require("undici/lib/dispatcher/dispatcher.js");
Object.assign(Dispatcher.prototype, require("undici/lib/api/index.js"));
exports.Agent = require("undici/lib/dispatcher/agent.js");
exports.Pool = require("undici/lib/dispatcher/pool.js");
exports.ProxyAgent = require("undici/lib/dispatcher/proxy-agent.js");
exports.errors = require("undici/lib/core/errors.js");
exports.parseCookie = (text) => require("undici/lib/web/cookies/index.js").parseCookie(text);
`;

/** `root`: the repository. A name that server/ imports and PARTS has not fails the build. */
export const undiciParts = (root: string): Plugin => ({
  name: "undici-parts",
  setup: (builder) => {
    builder.onResolve({ filter: /^undici$/ }, () => ({ path: "undici", namespace: "undici-parts" }));
    builder.onLoad({ filter: /./, namespace: "undici-parts" }, () => ({
      contents: PARTS,
      resolveDir: root,
      loader: "js",
    }));
  },
});
