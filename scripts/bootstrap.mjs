// SPDX-License-Identifier: Apache-2.0
// Runs a script of this folder on a current Node with every dependency installed. Plain JavaScript, so that the Node
// that a machine happens to have (20 and later) can start it: node scripts/bootstrap.mjs scripts/test.ts [arguments]
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = join(root, "node_modules");
const marker = join(modules, ".keyswitch-installed");

/** Runs npm, its output on standard error; ends this process if it fails. */
const npm = (...args) => {
  const { status } = spawnSync("npm", [...args, "--loglevel=error", "--no-audit", "--no-fund"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) {
    process.stderr.write(`npm ${args.join(" ")} failed; the lines above say why.\n`);
    process.exit(1);
  }
};

/** Installs what package-lock.json names, unless that has been done, and runs the install scripts that are allowed. */
const install = () => {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .update(process.arch)
    .digest("hex");
  if (existsSync(marker) && readFileSync(marker, "utf8") === lock) return;
  process.stderr.write("Installing dependencies (once, a minute or two)...\n");
  npm("ci");
  const { allowScripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const allowed = Object.keys(allowScripts).filter((name) => allowScripts[name]);
  npm("rebuild", "--ignore-scripts=false", ...allowed);
  writeFileSync(marker, lock);
};

install();
const bin = join(modules, "node", "bin");
const current = Number(process.versions.node.split(".")[0]) >= 24;
const node = current ? process.execPath : join(bin, "node");
const path = [...(current ? [] : [bin]), join(modules, ".bin"), process.env.PATH].join(delimiter);
const [script, ...args] = process.argv.slice(2);
const child = spawn(node, [join(root, script), ...args], {
  stdio: "inherit",
  env: { ...process.env, PATH: path },
});
// A terminal sends Ctrl-C to the child too; a supervisor signals this process alone, so it is passed on.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
