// SPDX-License-Identifier: Apache-2.0
// Runs one role of the compiled product on loopback, for benchmarks.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Dispatcher, request } from "undici";
import { endWithThis } from "./ends-with-this.ts";
import { freePort } from "./free-port.ts";
import { imageEnv, imageOptions } from "./image-env.ts";
import { inheritedEnv } from "./inherited-env.ts";
import { cpuSecondsOf } from "./processor-time.ts";
import { profiled, writeProfiles } from "./profile/profiled.ts";

export interface ServerProcess {
  readonly port: number;
  readonly url: string;
  /** From its start to its first answer of readiness. */
  readonly startMs: number;
  /** The ids of the process and of the processes that it started, in this order. */
  pids(): number[];
  /** Resident memory of the process and of the processes that it started, in this order. */
  memory(): { own: Memory; children: Memory[] };
  /** Seconds of processor that the process itself has taken. */
  cpuSeconds(): number;
  /** The same with those that it started. */
  allCpuSeconds(): number;
  /** Stops the process as a signal does, or lets it go on; not those that it started. */
  signal(name: "SIGSTOP" | "SIGCONT"): void;
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/** Resident memory in MiB: now, and the most since the start. */
export interface Memory {
  readonly now: number;
  readonly peak: number;
}

const START_LIMIT_MS = 60_000;
/** How often a process that starts is asked: what is measured is no finer than this. */
const POLL_MS = 5;

/** Linux: proc_pid_status(5). */
const memoryOf = (pid: number): Memory => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (field: string) =>
    Math.round(Number(status.match(new RegExp(`${field}:\\s+(\\d+)`))?.[1] ?? 0) / 1024);
  return { now: mib("VmRSS"), peak: mib("VmHWM") };
};

/** Linux: proc_tid_children(5). */
const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(/\s+/).filter(Boolean).map(Number);

const isReady = async (url: string, dispatcher: Dispatcher | undefined): Promise<boolean> => {
  try {
    const { statusCode, body } = await request(`${url}/readyz`, { ...(dispatcher && { dispatcher }) });
    await body.dump();
    return statusCode === 200;
  } catch {
    // It does not listen yet.
    return false;
  }
};

const MAIN = fileURLToPath(new URL("../../dist/server/main.js", import.meta.url));

/**
 * Starts dist/server/main.js as `role` with `env`; `npm run build` must have made it. It listens on a free port of 127.0.0.1 where `env`
 * says nothing else. `dispatcher` asks one that serves HTTPS; `entry` is another file that is run.
 */
export const startServerProcess = async (
  role: "agent" | "webhook" | "bot" | "discovery" | "bare",
  env: Readonly<Record<string, string>>,
  dispatcher?: Dispatcher,
  entry: string = MAIN,
): Promise<ServerProcess> => {
  const { LISTEN_HOST: host = "127.0.0.1", LISTEN_PORT } = env;
  const port = LISTEN_PORT === undefined ? await freePort() : Number(LISTEN_PORT);
  const url = `${dispatcher === undefined ? "http" : "https"}://${host}:${port}`;
  const begin = performance.now();
  const child = spawn(process.execPath, [...imageOptions(), entry, role], {
    env: profiled({ ...inheritedEnv(), ...imageEnv(), LISTEN_PORT: String(port), ...env }),
    stdio: "inherit",
  });
  endWithThis(child);
  const pid = child.pid ?? 0;
  const ended = once(child, "exit");
  while (!(await isReady(url, dispatcher))) {
    if (child.exitCode !== null || performance.now() - begin > START_LIMIT_MS) {
      child.kill("SIGKILL");
      throw new Error(`the ${role} did not start`);
    }
    await sleep(POLL_MS);
  }
  return {
    port,
    url,
    startMs: Math.round(performance.now() - begin),
    pids: () => [pid, ...childrenOf(pid)],
    cpuSeconds: () => cpuSecondsOf(pid),
    allCpuSeconds: () => [pid, ...childrenOf(pid)].reduce((sum, one) => sum + cpuSecondsOf(one), 0),
    memory: () => ({ own: memoryOf(pid), children: childrenOf(pid).map(memoryOf) }),
    signal: (name) => void child.kill(name),
    stop: async (signal = "SIGTERM") => {
      if (child.exitCode === null && child.signalCode === null) {
        // The children first: one that writes longer than its parent waits for it is ended.
        if (signal === "SIGTERM") await writeProfiles([...childrenOf(pid), pid]);
        child.kill(signal);
      }
      await ended;
    },
  };
};
