// SPDX-License-Identifier: Apache-2.0
// Runs server/main.ts, or its bundle, as a real process whose log lines a test can wait for.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";

const main = fileURLToPath(new URL("../../server/main.ts", import.meta.url));

/** A process with exactly this environment. */
export const startProcess = (
  t: Test,
  role: string | undefined,
  env: Record<string, string>,
  entry: string = main,
) => {
  const child = spawn(process.execPath, [entry, ...(role === undefined ? [] : [role])], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  const lines: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  const output = createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(JSON.parse(line));
    for (const one of waiting) one();
  });
  const stderr = text(child.stderr);
  const read = once(output, "close");
  let hasEnded = false;
  const ended = once(child, "close").then(async ([code, signal]) => {
    await read;
    hasEnded = true;
    for (const one of waiting) one();
    return { code, signal, stderr: await stderr };
  });
  return {
    child,
    lines,
    ended,
    /** The first log line with this text; fails when the process ends without one. */
    async logged(msg: string | RegExp): Promise<Record<string, unknown>> {
      const fits = (line: Record<string, unknown>) =>
        typeof msg === "string" ? line.msg === msg : msg.test(String(line.msg));
      for (;;) {
        const found = lines.find(fits);
        if (found) return found;
        if (hasEnded) {
          throw new Error(`the process ended without logging ${msg}: ${await stderr}`);
        }
        await new Promise<void>((resolve) => waiting.add(resolve));
      }
    },
    /** Where the process listens. */
    async address(): Promise<string> {
      const line = await this.logged(/^Server listening at /);
      return String(line.msg).replace("Server listening at ", "");
    },
  };
};
