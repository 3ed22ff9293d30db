// SPDX-License-Identifier: Apache-2.0
// Creates a SoftHSM2 token with many packed secrets, in memory where there is a file system for that, and an agent that serves it.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { encodePacked } from "../../../server/agent/storage/packed.ts";
import { PACKED_APPLICATION } from "../../../server/agent/storage/path.ts";
import type { ServerProcess } from "../../local/server-process.ts";
import { makeToken, type TestToken } from "../../local/softhsm-token.ts";
import { pathOf, startBenchAgent } from "../bench-token.ts";

/** SoftHSM2 has a file for each object, and waits for the disk at each: 10,000 would be minutes. */
const MEMORY = "/dev/shm";

export interface ScaleToken {
  readonly token: TestToken;
  /** Starts an agent of it, on `port` where that is given. */
  startAgent(port?: number): Promise<ServerProcess>;
  remove(): void;
}

/** A token of `secrets` secrets of these keys; `folder` is where it is made without such a file system. */
export const makeScaleToken = async (
  folder: string,
  secrets: number,
  keys: Readonly<Record<string, string>>,
): Promise<ScaleToken> => {
  const own = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : folder, "keyswitch-scale-"));
  // It is not below the folder that the bench removes, and goes even where this process is ended in the middle.
  const remove = (): void => rmSync(own, { recursive: true, force: true, maxRetries: 5 });
  process.once("exit", remove);
  const at = join(own, "hsm");
  mkdirSync(at);
  const token = await makeToken(at);
  const data = new Map(Object.entries(keys).map(([key, value]) => [key, Buffer.from(value)]));
  const value = Buffer.concat(encodePacked({ version: 1, keys: data, metadata: {} }));
  await token.putObjects(
    Array.from({ length: secrets }, (_, index) => ({
      label: pathOf(index),
      application: PACKED_APPLICATION,
      value,
    })),
  );
  token.close();
  return {
    token,
    startAgent: (port) => startBenchAgent(token, port === undefined ? {} : { LISTEN_PORT: String(port) }),
    remove: () => {
      process.off("exit", remove);
      remove();
    },
  };
};
