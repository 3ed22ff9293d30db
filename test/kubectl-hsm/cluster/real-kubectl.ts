// SPDX-License-Identifier: Apache-2.0
// Parses a file with the real kubectl's --from-env-file, which needs no cluster for that.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesOf } from "../input/parsed-keys.ts";

/** The keys in the order of their names with their bytes, or what it said. It must answer within 30 seconds. */
export const kubectlReads = (
  folder: string,
  contents: string | Uint8Array,
  env: Record<string, string> = {},
): Promise<[string, string][] | string> => {
  const file = join(folder, randomUUID());
  writeFileSync(file, contents);
  const args = [
    "create",
    "secret",
    "generic",
    "x",
    `--from-env-file=${file}`,
    "--dry-run=client",
    "-o",
    "json",
  ];
  const { PATH = "" } = process.env;
  const options = { env: { PATH, KUBECONFIG: "/dev/null", ...env }, timeout: 30_000 };
  return new Promise((resolve, reject) => {
    execFile("kubectl", args, options, (error, stdout, stderr) => {
      if (error !== null) return stderr.startsWith("error: ") ? resolve(stderr.trim()) : reject(error);
      const { data = {} }: { data?: Record<string, string> } = JSON.parse(stdout);
      return resolve(
        bytesOf(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64")])),
      );
    });
  });
};
