// SPDX-License-Identifier: Apache-2.0
// `npm run check`: runs the formatter, the linter, the type checker and knip, which finds unused exports, dependencies and
// files.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const failed = [["biome", "check", "--error-on-warnings", "."], ["tsc", "-p", "."], ["knip"]].filter(
  ([command = "", ...args]) => spawnSync(command, args, { cwd: root, stdio: "inherit" }).status !== 0,
);
process.exitCode = failed.length;
