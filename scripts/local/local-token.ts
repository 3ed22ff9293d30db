// SPDX-License-Identifier: Apache-2.0
// Creates the token of the local run: a SoftHSM2 token where SoftHSM2 is installed, else the in-memory store behind the real
// agent.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toBase64Map } from "../../hooks/formats.ts";
import { softhsmModule } from "../system-packages.ts";
import { makeToken } from "./softhsm-token.ts";

type Keys = Readonly<Record<string, string>>;

/** A token, and how an agent is started that serves it. */
export interface LocalToken {
  readonly kind: "SoftHSM2" | "in memory";
  readonly pinFile: string;
  /** The module that runs the agent; the product's own, if not given. */
  readonly entry?: URL;
  /** The agent's variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Makes the secret at `path` hold exactly `keys`. */
  put(path: string, keys: Keys): Promise<void>;
  remove(path: string): Promise<void>;
  /** Tells a newly started agent what the token holds, where it can't see that for itself. */
  attach(send: (message: object) => void): void;
  close(): void;
}

const softhsm = async (folder: string): Promise<LocalToken> => {
  const token = await makeToken(folder, "keyswitch-local");
  return {
    kind: "SoftHSM2",
    pinFile: token.pinFile,
    env: { ...token.env, PKCS11_MODULE: token.module, PKCS11_TOKEN_LABEL: token.label },
    put: (path, keys) => token.putPerKey(path, keys),
    remove: (path) => token.remove(path),
    attach: () => {},
    close: token.close,
  };
};

const inMemory = (folder: string): LocalToken => {
  const pinFile = join(folder, "pin");
  writeFileSync(pinFile, "unused\n", { mode: 0o600 });
  const entry = new URL("./memory-agent.ts", import.meta.url);
  const secrets = new Map<string, Record<string, string>>();
  let tell: ((message: object) => void) | undefined;
  return {
    kind: "in memory",
    pinFile,
    entry,
    // Nothing loads the module; the configuration wants a file.
    env: { PKCS11_MODULE: fileURLToPath(entry), PKCS11_TOKEN_LABEL: "memory" },
    put: async (path, keys) => {
      const encoded = toBase64Map(Object.entries(keys));
      secrets.set(path, encoded);
      tell?.({ path, keys: encoded });
    },
    remove: async (path) => {
      secrets.delete(path);
      tell?.({ path, keys: null });
    },
    attach: (send) => {
      tell = send;
      for (const [path, keys] of secrets) send({ path, keys });
    },
    close: () => {},
  };
};

/** Makes a token in `folder`, which must be empty: of SoftHSM2 where that is installed, unless `kind` asks otherwise. */
export const makeLocalToken = async (
  folder: string,
  kind: LocalToken["kind"] = softhsmModule() === undefined ? "in memory" : "SoftHSM2",
): Promise<LocalToken> => (kind === "in memory" ? inMemory(folder) : softhsm(folder));
