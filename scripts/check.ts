// SPDX-License-Identifier: Apache-2.0
// `npm run check`: formatter, linter and types.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const failed = [
  ["biome", "check", "--error-on-warnings", "."],
  ["tsc", "-p", "."],
].filter(([command = "", ...args]) => spawnSync(command, args, { cwd: root, stdio: "inherit" }).status !== 0);
process.exitCode = failed.length;
