// SPDX-License-Identifier: Apache-2.0
// Sets up the card's benchmark: a virtual SmartCard-HSM, an agent process on it, and pkcs11-tool beside it.
import { spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { initialisedCard } from "../../../test/doubles/sc-hsm/applet.ts";
import { insertCard, type VirtualCard } from "../../../test/doubles/sc-hsm/card.ts";
import { openscModule, startPcscd } from "../../../test/doubles/sc-hsm/pcscd.ts";
import { eventually } from "../../local/eventually.ts";
import { type ServerProcess, startServerProcess } from "../../local/server-process.ts";

export type CardScene = {
  card: VirtualCard;
  /** An agent that takes writes with `writeToken`. */
  startAgent(): Promise<ServerProcess>;
  writeToken: string;
  /** Adds packed secrets up to this number, at no delay. */
  fillTo(secrets: number): Promise<void>;
  /** Milliseconds that pkcs11-tool takes from its start to its end. */
  toolMs(...args: string[]): Promise<number>;
  /** A file with the value of a secret, for pkcs11-tool. */
  valueFile: string;
  close(): Promise<void>;
};

const ended = async (command: string, args: string[], env: NodeJS.ProcessEnv): Promise<void> => {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: "ignore" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${command} ${args.at(-1)} ended with ${code}`);
};

/** A new card in a reader of its own; needs root. */
export const openCardScene = async (folder: string): Promise<CardScene> => {
  mkdirSync(folder);
  const pin = String(randomInt(100_000, 999_999));
  const writeToken = randomBytes(24).toString("base64url");
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };
  const pcscd = await startPcscd();
  const memory = initialisedCard({ label: "bench", pin, soPin: randomBytes(8).toString("hex") });
  const card = insertCard(memory, pcscd.reader);
  const module = openscModule();
  await eventually("pcscd has noticed the card", () =>
    ended("pkcs11-tool", ["--module", module, "--list-objects"], pcscd.env).then(
      () => true,
      () => false,
    ),
  );
  let filled = 0;
  return {
    card,
    writeToken,
    valueFile: file("value", randomBytes(150)),
    startAgent: () =>
      startServerProcess("agent", {
        ...pcscd.env,
        DEVICE_NAME: "bench",
        NODE_NAME: "bench",
        PKCS11_MODULE: module,
        PKCS11_TOKEN_LABEL: "bench",
        PKCS11_PIN_FILE: file("pin", `${pin}\n`),
        WRITE_TOKEN_FILE: file("write", `${writeToken}\n`),
        OPERATION_TIMEOUT_MS: "60000",
        REFRESH_INTERVAL_MS: "86400000",
        LOG_LEVEL: "error",
      }),
    fillTo: async (secrets) => {
      const { delayMs } = card;
      card.delayMs = 0;
      const entry = fileURLToPath(new URL("./fill-card.ts", import.meta.url));
      const env = { ...pcscd.env, FILL_MODULE: module, FILL_PIN: pin };
      await ended(process.execPath, [entry, String(filled), String(secrets)], env);
      filled = secrets;
      card.delayMs = delayMs;
    },
    toolMs: async (...args) => {
      const begin = performance.now();
      const all = ["--module", module, "--login", "--pin", "env:PIN", ...args];
      await ended("pkcs11-tool", all, { ...pcscd.env, PIN: pin });
      return performance.now() - begin;
    },
    close: async () => {
      card.unplug();
      await pcscd.close();
    },
  };
};
