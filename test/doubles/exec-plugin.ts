// SPDX-License-Identifier: Apache-2.0
// Writes an exec plugin for tests: a program that logs its calls and prints the contents of a file.
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

type Call = { args: string[]; info: unknown; env: Record<string, string> };

export type PluginProgram = {
  /** Path of the program. */
  readonly command: string;
  /** What it prints from now on, and with which exit code it ends. */
  prints(text: string, exitCode?: number): void;
  /** Prints an ExecCredential with this status. */
  gives(status: object, version?: string): void;
  calls(): Call[];
};

export const V1 = "client.authentication.k8s.io/v1";
export const V1BETA1 = "client.authentication.k8s.io/v1beta1";

/** What it says on stderr, which no log may show. */
export const ASIDE = randomBytes(8).toString("hex");

/** A POSIX shell would do for printing; Node writes down what it was given without having to quote it. */
const SOURCE = (folder: string): string => `#!${process.execPath}
const fs = require("node:fs");
const call = { args: process.argv.slice(2), info: JSON.parse(process.env.KUBERNETES_EXEC_INFO), env: process.env };
fs.appendFileSync(${JSON.stringify(join(folder, "calls"))}, JSON.stringify(call) + "\\n");
console.error(${JSON.stringify(ASIDE)});
const { text, exitCode } = JSON.parse(fs.readFileSync(${JSON.stringify(join(folder, "answer"))}, "utf8"));
process.exitCode = exitCode;
if (text === "hang") setInterval(() => {}, 1000);
else process.stdout.write(text);
`;

export const pluginProgram = (folder: string): PluginProgram => {
  const command = join(folder, "get-credentials");
  writeFileSync(command, SOURCE(folder));
  chmodSync(command, 0o755);
  const calls = join(folder, "calls");
  const prints: PluginProgram["prints"] = (text, exitCode = 0) =>
    writeFileSync(join(folder, "answer"), JSON.stringify({ text, exitCode }));
  return {
    command,
    prints,
    gives: (status, version = V1) =>
      prints(JSON.stringify({ kind: "ExecCredential", apiVersion: version, status })),
    calls: () =>
      existsSync(calls)
        ? readFileSync(calls, "utf8")
            .trim()
            .split("\n")
            .map((line): Call => JSON.parse(line))
        : [],
  };
};
