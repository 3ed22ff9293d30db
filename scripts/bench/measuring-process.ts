// SPDX-License-Identifier: Apache-2.0
// Starts a benchmark process of this folder and sends it one request at a time, checking each response.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Static, TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { endWithThis } from "../local/ends-with-this.ts";
import { profiled, writeProfiles } from "../local/profile/profiled.ts";

export interface MeasuringProcess<Reply extends TSchema> {
  readonly pid: number;
  /** Sends `request` and gives the next answer. */
  ask(request: object): Promise<Static<Reply>>;
  stop(): Promise<void>;
}

/**
 * Starts scripts/bench/`entry` with `env` and with `options` of Node, or those of this process. Its answers must be of the schema `reply`.
 * @throws Error when it ends before it has answered, or answers something else
 */
export const startMeasuringProcess = <Reply extends TSchema>(
  entry: string,
  reply: Reply,
  env: Readonly<Record<string, string>> = {},
  options: readonly string[] = process.execArgv,
): MeasuringProcess<Reply> => {
  const child = fork(fileURLToPath(new URL(entry, import.meta.url)), [], {
    execArgv: [...options],
    env: profiled({ PATH: process.env.PATH, ...env }),
  });
  endWithThis(child);
  const ended = once(child, "exit");
  return {
    pid: child.pid ?? 0,
    async ask(request) {
      const answer = once(child, "message");
      child.send(request);
      const message: unknown = await Promise.race([
        answer.then(([first]) => first),
        ended.then(() => Promise.reject(new Error(`${entry} ended`))),
      ]);
      if (!Value.Check(reply, message)) throw new Error(`${entry} answered something else`);
      return message;
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) await writeProfiles([child.pid ?? 0]);
      child.kill("SIGTERM");
      await ended;
    },
  };
};
