// SPDX-License-Identifier: Apache-2.0
// Bundles each role into files of its own, so that a process reads a few files and only the code that it may come to run.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundledSdk } from "./bundled-sdk.ts";
import { grapheneImports } from "./graphene-imports.ts";
import { nodeModulesByRequire } from "./node-modules-by-require.ts";
import { RUNTIME_PACKAGES } from "./runtime-packages.ts";
import { undiciParts } from "./undici-parts.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * The entries of processes below the folder of bundles, each with its source. Each is bundled by itself: what two roles share is
 * in both, and what a role loads only when it is used is in `server/chunks`.
 */
export const BUNDLES: Readonly<Record<string, string>> = {
  "server/main": "server/main.ts",
  "server/roles/webhook": "server/roles/webhook.ts",
  "server/roles/agent": "server/roles/agent.ts",
  "server/roles/pkcs11-child": "server/agent/pkcs11/child/main.ts",
  "server/roles/bot": "server/roles/bot.ts",
  "server/roles/discovery": "server/roles/discovery.ts",
  "server/roles/conntest": "server/roles/conntest.ts",
  "server/kubectl-hsm": "server/kubectl-hsm.ts",
  "server/kubectl-complete-hsm": "server/kubectl-complete-hsm.ts",
};

/** For packages that are CommonJS, and for Node's own modules. */
const REQUIRE = 'const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);';

/** main.ts chooses among files that are beside it. */
const rolesBesideMain = {
  name: "roles-beside-main",
  setup: (builder: import("esbuild").PluginBuild): void => {
    builder.onResolve({ filter: /^\.\/roles\/[a-z-]+\.ts$/ }, ({ path }) => ({
      path: path.replace(/\.ts$/, ".js"),
      external: true,
    }));
  },
};

/** Names stay as they are, for stacks and errors. A map beside each file is read where Node has --enable-source-maps. */
const bundleOne = async (folder: string, out: string, source: string): Promise<string[]> => {
  const name = out.split("/").at(-1) ?? out;
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { [out]: source },
    outdir: folder,
    chunkNames: `server/chunks/${name}-[name]-[hash]`,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    banner: { js: REQUIRE },
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: "linked",
    sourcesContent: false,
    legalComments: "none",
    metafile: true,
    external: [...RUNTIME_PACKAGES],
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    plugins: [rolesBesideMain, bundledSdk(root), undiciParts(root), grapheneImports, nodeModulesByRequire],
    logLevel: "warning",
  });
  return Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])),
  );
};

/**
 * Bundles all of BUNDLES into `folder`. Answers the source files that are in them, as paths below the repository.
 * @throws Error of esbuild, which has named what is wrong on stderr
 */
export const bundleRoles = async (folder: string): Promise<Set<string>> => {
  const inputs = new Set<string>();
  for (const [out, source] of Object.entries(BUNDLES)) {
    for (const file of await bundleOne(folder, out, source)) inputs.add(file);
  }
  return inputs;
};
