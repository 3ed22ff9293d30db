// SPDX-License-Identifier: Apache-2.0
// Chooses the crypto engine, native or WASM, and has matrix-bot-sdk load it.
import { createRequire } from "node:module";
import { guardMachine, type MachineObserver } from "./guarded-machine.ts";
import type { IdbFactory } from "./indexeddb/types.ts";
import { type NativePackage, withIdentityAccess } from "./native-package.ts";
import type { Id, OlmMachine } from "./olm-machine.ts";
import { loadSdkWith } from "./sdk-loading.ts";
import { loadWasmPackage } from "./wasm/wasm-package.ts";

export type EngineName = "native" | "wasm";

/** A store, as the engine meets it when matrix-bot-sdk opens a machine on its path. */
type MachineHost = MachineObserver & {
  /** Where the WASM engine keeps its data. */
  readonly factory?: IdbFactory;
  /** The machine that was opened. */
  opened(machine: OlmMachine): void;
};

export type CryptoEngine = {
  readonly engine: EngineName;
  /** Says who hosts the machine that will be opened with `storePath`. The answer takes it back. */
  host(storePath: string, host: MachineHost): () => void;
  /** Ids as the engine's machines take them. */
  userId(text: string): Id;
  deviceId(text: string): Id;
  roomId(text: string): Id;
};

export type EngineResult =
  | ({ readonly ok: true } & CryptoEngine)
  | { readonly ok: false; readonly fault: string };

const NATIVE_PACKAGE = "@matrix-org/matrix-sdk-crypto-nodejs";

const requireHere = createRequire(import.meta.url);

/** The native package, or undefined where it has no library for this machine: requiring it throws then. */
const requireNative = (): NativePackage | undefined => {
  try {
    return requireHere(NATIVE_PACKAGE);
  } catch {
    return undefined;
  }
};

const NO_NATIVE_LIBRARY =
  `CRYPTO_ENGINE=native, but ${NATIVE_PACKAGE} has no library for this machine. ` +
  `Run \`node node_modules/${NATIVE_PACKAGE}/download-lib.js\`, which downloads it, or use CRYPTO_ENGINE=wasm.`;

let isLoaded = false;

/**
 * Loads the engine: `auto` is native where its library is installed, else WASM. Has to be called once, before anything
 * imports matrix-bot-sdk. `native` gives the native package; tests give another.
 */
export const loadCryptoEngine = async (
  choice: "auto" | EngineName,
  native: () => NativePackage | undefined = requireNative,
): Promise<EngineResult> => {
  if (isLoaded) throw new Error("the crypto engine was loaded already");
  const library = choice === "wasm" ? undefined : native();
  if (choice === "native" && library === undefined) {
    return { ok: false, fault: NO_NATIVE_LIBRARY };
  }
  isLoaded = true;
  const hosts = new Map<string, MachineHost>();
  const chosen = library
    ? withIdentityAccess(library)
    : await loadWasmPackage((storePath) => hosts.get(storePath)?.factory);
  await loadSdkWith({
    ...chosen,
    OlmMachine: {
      async initialize(user, device, storePath, passphrase, storeType) {
        const host = hosts.get(storePath ?? "");
        if (host === undefined) throw new Error("a crypto machine was opened on a store that nobody hosts");
        const machine = guardMachine(
          await chosen.OlmMachine.initialize(user, device, storePath, passphrase, storeType),
          host,
        );
        host.opened(machine);
        return machine;
      },
    },
  });
  return {
    ok: true,
    engine: library ? "native" : "wasm",
    userId: (text) => new chosen.UserId(text),
    deviceId: (text) => new chosen.DeviceId(text),
    roomId: (text) => new chosen.RoomId(text),
    host(storePath, host) {
      hosts.set(storePath, host);
      return () => hosts.delete(storePath);
    },
  };
};
