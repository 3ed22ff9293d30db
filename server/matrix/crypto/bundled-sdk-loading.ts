// SPDX-License-Identifier: Apache-2.0
// Loads matrix-bot-sdk where it is bundled. scripts/bundle/ puts this file in the place of sdk-loading.ts, and has the SDK find
// there what it would require: the crypto package, and stand-ins for what Keyswitch does not use.
import type { CryptoPackage } from "./olm-machine.ts";
import { type Sdk, sendInTurn } from "./send-in-turn.ts";
import { unusable } from "./unused-packages.ts";

let given: CryptoPackage | undefined;

/** What the bundled SDK gets for the name of a package that it requires. */
export const packageFor = (name: string): unknown => {
  if (name !== "@matrix-org/matrix-sdk-crypto-nodejs") return unusable(name);
  if (given === undefined) throw new Error("matrix-bot-sdk was loaded before the crypto engine");
  return given;
};

export const loadSdkWith = async (cryptoPackage: CryptoPackage): Promise<void> => {
  given = cryptoPackage;
  const sdk: Sdk = await import("matrix-bot-sdk");
  sendInTurn(sdk);
};
