// SPDX-License-Identifier: Apache-2.0
// `npm run build`: compiles hooks/ and server/ into dist/.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
rmSync(new URL("../dist", import.meta.url), { recursive: true, force: true });
process.exitCode =
  spawnSync("tsc", ["-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" }).status ?? 1;
