// SPDX-License-Identifier: Apache-2.0
// Has processes of the bench record profiles, where `npm run bench -- --profile` asks for it, and write them before they are stopped.
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { eventually } from "../eventually.ts";

/** The variable that names the folder; the bench itself has it as well. */
export const PROFILE_FOLDER = "KEYSWITCH_PROFILE_FOLDER";

/** `webhook-4711` */
export const profileName = (program: string, pid: number): string => `${program}-${pid}`;

const record = fileURLToPath(new URL("./record.ts", import.meta.url));

/** `env`, with what has a process that is started with it record; as it is where nothing is to be recorded. */
export const profiled = (env: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv => {
  const folder = process.env[PROFILE_FOLDER];
  if (folder === undefined) return env;
  const options = [env.NODE_OPTIONS, `--import=${record}`].filter(Boolean).join(" ");
  return { ...env, NODE_OPTIONS: options, [PROFILE_FOLDER]: folder };
};

/** Has the processes write their profiles, and waits for those; not for one that has ended. */
export const writeProfiles = async (pids: readonly number[]): Promise<void> => {
  const folder = process.env[PROFILE_FOLDER];
  if (folder === undefined) return;
  for (const pid of pids) {
    const isDone = async () => hasProfile(folder, pid) || !tell(pid, 0);
    if (tell(pid, "SIGUSR2")) await eventually(`the profile of process ${pid}`, isDone, { seconds: 60 });
  }
};

/** False: there is no such process any more. */
const tell = (pid: number, signal: "SIGUSR2" | 0): boolean => {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
};

const hasProfile = (folder: string, pid: number): boolean =>
  existsSync(folder) && readdirSync(folder).some((name) => name.endsWith(`-${pid}.cpuprofile`));
