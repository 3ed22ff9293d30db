// SPDX-License-Identifier: Apache-2.0
// Runs one role of the compiled product on plain loopback, for measuring.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { request } from "undici";
import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";

export interface ServerProcess {
  readonly url: string;
  /** From its start to its first answer of readiness. */
  readonly startMs: number;
  /** Resident memory of the process and its children. */
  residentMiB(): number;
  stop(): Promise<void>;
}

/** Resident memory of `pid` in KiB, and of the processes that it started. Linux. */
const residentKiB = (pid: number): number => {
  const own = Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)?.[1] ?? 0);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(/\s+/);
  return children.filter(Boolean).reduce((sum, child) => sum + residentKiB(Number(child)), own);
};

/** Starts dist/server/main.js as `role` with `env`; `npm run build` must have made it. */
export const startServerProcess = async (
  role: "agent" | "webhook",
  env: Readonly<Record<string, string>>,
): Promise<ServerProcess> => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const begin = performance.now();
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL("../../dist/server/main.js", import.meta.url)), role],
    { env: { PATH: process.env.PATH, LISTEN_PORT: String(port), ...env }, stdio: "inherit" },
  );
  const ended = once(child, "exit");
  await eventually(`the start of the ${role}`, async () => {
    try {
      const { statusCode, body } = await request(`${url}/readyz`);
      await body.dump();
      return statusCode === 200;
    } catch {
      // It does not listen yet.
      return false;
    }
  });
  return {
    url,
    startMs: Math.round(performance.now() - begin),
    residentMiB: () => Math.round(residentKiB(child.pid ?? 0) / 1024),
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
};
