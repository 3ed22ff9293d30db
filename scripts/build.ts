// SPDX-License-Identifier: Apache-2.0
// `npm run build`: compiles hooks/ and server/ into dist/, and makes the programs of package.json's "bin" executable.
import { spawnSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };

const root = fileURLToPath(new URL("..", import.meta.url));
rmSync(new URL("../dist", import.meta.url), { recursive: true, force: true });
process.exitCode =
  spawnSync("tsc", ["-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" }).status ?? 1;
// tsc keeps the first line, but not the mode.
if (process.exitCode === 0) {
  for (const program of Object.values(manifest.bin)) {
    chmodSync(new URL(`../${program}`, import.meta.url), 0o755);
  }
}
