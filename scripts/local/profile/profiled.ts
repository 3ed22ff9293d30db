// SPDX-License-Identifier: Apache-2.0
// Has processes of the bench record profiles, where `npm run bench -- --profile` asks for it, and write them before they are stopped.
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { eventually } from "../eventually.ts";

/** The variable that names the folder; the bench itself has it as well. */
export const PROFILE_FOLDER = "KEYSWITCH_PROFILE_FOLDER";

/** `main-webhook-4711`; the PKCS#11 child has no role. */
export const profileName = (entry: string, role: string, pid: number): string =>
  [entry, role, pid].filter((part) => part !== "").join("-");

const record = fileURLToPath(new URL("./record.ts", import.meta.url));

/** `env`, with what has a process that is started with it record; as it is where nothing is to be recorded. */
export const profiled = (env: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv => {
  const folder = process.env[PROFILE_FOLDER];
  if (folder === undefined) return env;
  const options = [env.NODE_OPTIONS, `--import=${record}`].filter(Boolean).join(" ");
  return { ...env, NODE_OPTIONS: options, [PROFILE_FOLDER]: folder };
};

/** Has the processes write their profiles, and waits for those. */
export const writeProfiles = async (pids: readonly number[]): Promise<void> => {
  const folder = process.env[PROFILE_FOLDER];
  if (folder === undefined) return;
  for (const pid of pids) {
    process.kill(pid, "SIGUSR2");
    await eventually(`the profile of process ${pid}`, async () => hasProfile(folder, pid));
  }
};

const hasProfile = (folder: string, pid: number): boolean =>
  existsSync(folder) && readdirSync(folder).some((name) => name.endsWith(`-${pid}.cpuprofile`));
