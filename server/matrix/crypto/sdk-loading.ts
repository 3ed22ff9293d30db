// SPDX-License-Identifier: Apache-2.0
// Loads matrix-bot-sdk with the given crypto package, and without the dependencies that Keyswitch does not use. In the bundle
// bundled-sdk-loading.ts is in its place.
import Module, { createRequire } from "node:module";
import type { CryptoPackage } from "./olm-machine.ts";
import { sendInTurn } from "./send-in-turn.ts";
import { UNUSED, unusable } from "./unused-packages.ts";

const NATIVE_PACKAGE = "@matrix-org/matrix-sdk-crypto-nodejs";

const requireHere = createRequire(import.meta.url);

/**
 * It fills require.cache, which is documented to be ours to fill, rather than a loader hook: hooks are not yet stable, and
 * others' hooks can come between. The SDK is loaded at once, through require: later imports of it, by whatever way, find what
 * was loaded here. By its index, because its modules import each other in circles that close only in that order.
 */
export const loadSdkWith = async (cryptoPackage: CryptoPackage): Promise<void> => {
  const requireInSdk = createRequire(requireHere.resolve("matrix-bot-sdk"));
  const fill = (name: string, exports: unknown): void => {
    const filename = requireInSdk.resolve(name);
    const filled = new Module(filename);
    filled.filename = filename;
    filled.loaded = true;
    filled.exports = exports;
    requireHere.cache[filename] ??= filled;
  };
  const native = requireInSdk.resolve(NATIVE_PACKAGE);
  delete requireHere.cache[native];
  fill(NATIVE_PACKAGE, cryptoPackage);
  for (const name of UNUSED) fill(name, unusable(name));
  sendInTurn(requireInSdk("matrix-bot-sdk"));
};
