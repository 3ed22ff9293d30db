// SPDX-License-Identifier: Apache-2.0
// Creates a SoftHSM2 token with a given number of secrets, and an agent that serves it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type ServerProcess, startServerProcess } from "../local/server-process.ts";
import { makeToken, type TestToken } from "../local/softhsm-token.ts";

export interface BenchToken {
  readonly secrets: number;
  readonly token: TestToken;
  readonly agent: ServerProcess;
}

export const pathOf = (index: number): string => `secrets/bench/s${index}`;

/** Starts the agent of a token, with more settings where they are given. */
export const startBenchAgent = (
  token: TestToken,
  settings: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> =>
  startServerProcess("agent", {
    ...token.env,
    DEVICE_NAME: "bench",
    NODE_NAME: "bench",
    PKCS11_MODULE: token.module,
    PKCS11_TOKEN_LABEL: token.label,
    PKCS11_PIN_FILE: token.pinFile,
    LOG_LEVEL: "error",
    ...settings,
  });

/** Fills a new token below `folder` with `secrets` secrets of these keys, then starts its agent. */
export const startBenchToken = async (
  folder: string,
  secrets: number,
  keys: Readonly<Record<string, string>>,
): Promise<BenchToken> => {
  const own = join(folder, String(secrets));
  mkdirSync(own);
  const token = await makeToken(own);
  await token.putObjects(
    Array.from({ length: secrets }, (_, index) =>
      Object.entries(keys).map(([key, value]) => ({
        label: `${pathOf(index)}/${key}`,
        value: Buffer.from(value),
      })),
    ).flat(),
  );
  token.close();
  return { secrets, token, agent: await startBenchAgent(token) };
};
