// SPDX-License-Identifier: Apache-2.0
// Bundles matrix-bot-sdk with the crypto package that is chosen at the start, and without the packages that Keyswitch does not use.
import { join } from "node:path";
import type { Plugin } from "esbuild";
import { UNUSED } from "../../server/matrix/crypto/unused-packages.ts";

const CRYPTO = "@matrix-org/matrix-sdk-crypto-nodejs";
const SDK = "matrix-bot-sdk";

/** What server/ imports of it: a bundle has to name what it exports, and the SDK, which is CommonJS, does not. */
export const SDK_NAMES = [
  "CryptoClient",
  "EncryptedRoomEvent",
  "LogService",
  "MatrixClient",
  "RustSdkCryptoStorageProvider",
  "setRequestFn",
] as const;

/** By its index: its modules import each other in circles that close only in that order. */
const FACADE = `import * as sdk from "${SDK}";\nexport const { ${SDK_NAMES.join(", ")} } = sdk;`;

/** `root`: the repository. See server/matrix/crypto/bundled-sdk-loading.ts. */
export const bundledSdk = (root: string): Plugin => {
  const loading = join(root, "server/matrix/crypto/bundled-sdk-loading.ts");
  const given: readonly string[] = [CRYPTO, ...UNUSED];
  const isOfSdk = (importer: string): boolean => importer.includes(`/node_modules/${SDK}/`);
  return {
    name: "bundled-sdk",
    setup: (builder) => {
      builder.onResolve({ filter: /\/sdk-loading\.ts$/ }, () => ({ path: loading }));
      builder.onResolve({ filter: /^matrix-bot-sdk$/ }, ({ namespace }) =>
        namespace === "sdk" ? undefined : { path: SDK, namespace: "sdk" },
      );
      builder.onResolve({ filter: /^[@a-z]/ }, ({ path, importer }) =>
        given.includes(path) && isOfSdk(importer) ? { path, namespace: "given-to-sdk" } : undefined,
      );
      builder.onLoad({ filter: /./, namespace: "sdk" }, () => ({
        contents: FACADE,
        resolveDir: root,
        loader: "js",
      }));
      builder.onLoad({ filter: /./, namespace: "given-to-sdk" }, ({ path }) => ({
        contents: `module.exports = require(${JSON.stringify(loading)}).packageFor(${JSON.stringify(path)});`,
        resolveDir: root,
        loader: "js",
      }));
    },
  };
};
