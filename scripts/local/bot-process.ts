// SPDX-License-Identifier: Apache-2.0
// Runs the bot as a process against a homeserver and an API server, as its pod would.

import { fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { request } from "undici";
import { ANSWER_LIMITS } from "./answer-limits.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";
import { inheritedEnv } from "./inherited-env.ts";
import { createNotifier } from "./notifier.ts";

export type BotProcessOptions = {
  /** All of its variables but LISTEN_PORT. */
  readonly env: Readonly<Record<string, string>>;
  /** Of Node. */
  readonly execArgv?: readonly string[];
  /** The compiled product rather than its source. */
  readonly entry?: URL;
};

export type BotProcess = {
  readonly url: string;
  readonly pid: number;
  /** The lines that it has printed so far. */
  readonly lines: readonly string[];
  /** Resolves at the first line, before or after the call, that holds `text`. @throws Error when there is none in time */
  printed(text: string, seconds?: number): Promise<void>;
  /** Resolves when /readyz is 200. */
  ready(seconds?: number): Promise<void>;
  /** The value of a metric, 0 where it has none yet; `series` is its name with its labels as /metrics prints them. */
  metric(series: string): Promise<number>;
  probe(path: "/healthz" | "/readyz"): Promise<{ status: number; body: string }>;
  /** Sends a signal, and resolves with the exit code, or null after a kill: a bot that does not end is killed. */
  end(signal?: "SIGTERM" | "SIGKILL"): Promise<number | null>;
  /** How it ended by itself. */
  readonly exited: Promise<number | null>;
};

/** It takes a few, and many on a machine that does much else. */
const START_SECONDS = 120;
/** A bot that has not ended by then is killed. */
const END_LIMIT_MS = 60_000;

/** It ends with this process, however that ends. */
export const startBotProcess = async (options: BotProcessOptions): Promise<BotProcess> => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const entry = options.entry ?? new URL("../../server/main.ts", import.meta.url);
  const child = fork(new URL("./pod-entry.mjs", import.meta.url), [entry.href, "bot"], {
    env: { ...inheritedEnv(), LISTEN_PORT: String(port), ...options.env },
    execArgv: [...(options.execArgv ?? [])],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const lines: string[] = [];
  const notifier = createNotifier();
  const take = (line: string) => {
    lines.push(line);
    notifier.notify();
  };
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on("line", take);
  }
  // Not "exit": what it said last comes after that.
  const exited = once(child, "close").then(([code]) => (typeof code === "number" ? code : null));
  let hasEnded = false;
  void exited.then(() => {
    hasEnded = true;
    notifier.notify();
  });
  const printed = async (text: string, seconds = START_SECONDS): Promise<void> => {
    const seen = () => lines.slice(-9).join("\n");
    const isPrinted = () => {
      if (lines.some((line) => line.includes(text))) return true;
      if (hasEnded) throw new Error(`the bot ended without printing “${text}”:\n${seen()}`);
      return false;
    };
    await notifier.until(`the bot prints “${text}”`, isPrinted, { seconds, seen });
  };
  const get = async (path: string) => {
    const { statusCode, body } = await request(`${url}${path}`, ANSWER_LIMITS);
    return { status: statusCode, body: await body.text() };
  };
  return {
    url,
    pid: child.pid ?? 0,
    lines,
    printed,
    exited,
    probe: get,
    ready: async (seconds = START_SECONDS) => {
      await eventually(
        "the bot is ready",
        async () => {
          if (child.exitCode !== null || child.signalCode !== null) {
            throw new Error(`the bot has ended: ${lines.slice(-5).join("\n")}`);
          }
          try {
            return (await get("/readyz")).status === 200;
          } catch {
            // It does not listen yet.
            return false;
          }
        },
        { seconds, seen: () => lines.slice(-5).join("\n") },
      );
    },
    async metric(series) {
      const { body } = await get("/metrics");
      const line = body.split("\n").find((one) => one.startsWith(`${series} `));
      return line === undefined ? 0 : Number(line.slice(series.length + 1));
    },
    async end(signal = "SIGTERM") {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      const tooLong = setTimeout(() => child.kill("SIGKILL"), END_LIMIT_MS);
      try {
        return await exited;
      } finally {
        clearTimeout(tooLong);
      }
    },
  };
};
