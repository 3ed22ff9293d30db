// SPDX-License-Identifier: Apache-2.0
// Runs server/main.ts, or its bundle, as a real process whose log lines a test can wait for.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { createNotifier } from "../../scripts/local/notifier.ts";

const main = fileURLToPath(new URL("../../server/main.ts", import.meta.url));

/** It takes a second or two, and many on a machine that does much else. */
const START_SECONDS = 180;

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
  const notifier = createNotifier();
  const output = createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(JSON.parse(line));
    notifier.notify();
  });
  const stderr = text(child.stderr);
  const read = once(output, "close");
  let hasEnded = false;
  const ended = once(child, "close").then(async ([code, signal]) => {
    await read;
    hasEnded = true;
    notifier.notify();
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
      const seen = () =>
        lines
          .slice(-5)
          .map((line) => JSON.stringify(line))
          .join("\n");
      const found = () => lines.find(fits) ?? (hasEnded && { ended: true });
      const line = await notifier.until(`a line of the log with ${msg}`, found, {
        seconds: START_SECONDS,
        seen,
      });
      if (lines.includes(line)) return line;
      throw new Error(`the process ended without logging ${msg}: ${await stderr}`);
    },
    /** Where the process listens. */
    async address(): Promise<string> {
      const line = await this.logged(/^Server listening at /);
      return String(line.msg).replace("Server listening at ", "");
    },
  };
};
