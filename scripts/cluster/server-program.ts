// SPDX-License-Identifier: Apache-2.0
// Runs a server of the real control plane as a process of this machine.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { request } from "undici";
import { eventually } from "../local/eventually.ts";
import { inheritedEnv } from "../local/inherited-env.ts";

export type ServerProgram = {
  /** Ends it, by SIGKILL where it takes more than ten seconds. */
  stop(): Promise<void>;
};

export type ServerProgramOptions = {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Told each line that it prints. */
  readonly log: (line: string) => void;
  readonly isReady: () => Promise<boolean>;
};

const START_SECONDS = 120;
const KEPT_LINES = 12;
const STOP_MS = 10_000;

/** What a server says at `url`; undefined where it is not ready, or does not listen yet. */
export const answerOf = async (url: string): Promise<string | undefined> => {
  try {
    const { statusCode, body } = await request(url);
    const text = await body.text();
    return statusCode === 200 ? text : undefined;
  } catch {
    // It does not listen yet.
    return undefined;
  }
};

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** Starts `command` and answers when it is ready. @throws Error with its last lines when it ends or takes too long */
export const startServerProgram = async (options: ServerProgramOptions): Promise<ServerProgram> => {
  const name = basename(options.command);
  const child = spawn(options.command, options.args, {
    env: { ...inheritedEnv(), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      lines.splice(0, lines.length - KEPT_LINES);
      options.log(line);
    });
  }
  const ended = once(child, "close");
  const kill = () => child.kill("SIGKILL");
  // It ends with this process, however that ends but by a kill.
  process.once("exit", kill);
  const stop = async () => {
    process.off("exit", kill);
    if (!hasEnded(child)) child.kill("SIGTERM");
    const tooLong = setTimeout(kill, STOP_MS);
    await ended;
    clearTimeout(tooLong);
  };
  const lastLines = () => lines.join("\n");
  const isReady = async () => {
    if (hasEnded(child)) throw new Error(`${name} ended:\n${lastLines()}`);
    return options.isReady();
  };
  try {
    await eventually(`${name} is ready`, isReady, { seconds: START_SECONDS, seen: lastLines });
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
};
