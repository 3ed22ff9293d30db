// SPDX-License-Identifier: Apache-2.0
// Loads the crypto engine that its arguments name and reports what matrix-bot-sdk got: once a process, as in production.
import { createRequire } from "node:module";
import { loadCryptoEngine } from "../../../server/matrix/crypto/engine.ts";
import type { NativePackage } from "../../../server/matrix/crypto/native-package.ts";

const [choice = "auto", native = "real"] = process.argv.slice(2);

/** As much of the native package as shows whether it is the one in use. */
const standIn = { OlmMachine: {}, UserId: class StandIn {}, DeviceId: class {} };

const load = (): Promise<unknown> => {
  if (choice !== "auto" && choice !== "native" && choice !== "wasm") throw new Error("no such choice");
  if (native === "real") return loadCryptoEngine(choice);
  return loadCryptoEngine(choice, () =>
    native === "missing" ? undefined : (standIn as unknown as NativePackage),
  );
};

const result = await load();
const isLoaded = typeof result === "object" && result !== null && "engine" in result;
const required: unknown = isLoaded
  ? createRequire(createRequire(import.meta.url).resolve("matrix-bot-sdk"))(
      "@matrix-org/matrix-sdk-crypto-nodejs",
    )
  : undefined;
const sdk = isLoaded ? await import("matrix-bot-sdk") : undefined;
process.stdout.write(
  JSON.stringify({
    result,
    userId: required && typeof required === "object" && "UserId" in required ? String(required.UserId) : null,
    sdk: typeof sdk?.MatrixClient,
  }),
);
