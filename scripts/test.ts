// SPDX-License-Identifier: Apache-2.0
// `npm test`: installs what the tests need, runs them, and prints `N passed, N failed, N skipped` as the last line.
// With file names as arguments it runs those alone.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { prepareSynapseRoot } from "./homeserver/synapse-root.ts";
import { provide, SOFTHSM, TEST_PROGRAMS } from "./system-packages.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const say = (line: string) => process.stdout.write(`${line}\n`);

/** The counts that tap puts at the end of its output: `# { total: 3, pass: 2, fail: 1 }`. */
const countsOf = (tap: string): { passed: number; failed: number; skipped: number } | undefined => {
  const line = tap.match(/^# \{ (total: \d+.*?) \}$/m)?.[1];
  if (line === undefined) return undefined;
  const count = (name: string) => Number(line.match(new RegExp(`\\b${name}: (\\d+)`))?.[1] ?? 0);
  return { passed: count("pass"), failed: count("fail"), skipped: count("skip") + count("todo") };
};

/** What failed, with its file and what was found: the log of a machine that is gone is all that there is. */
const failuresOf = (tap: string): string[] => {
  const said: string[] = [];
  let file = "";
  /** Lines that still belong to what failed. */
  let left = 0;
  for (const line of tap.split("\n")) {
    const started = line.match(/^# Subtest: (.*)/)?.[1];
    if (started !== undefined) file = started;
    const failed = line.match(/^( *)not ok /)?.[1];
    if (failed !== undefined) {
      if (failed !== "") said.push(`${file}:`);
      left = failed === "" ? 1 : MOST_LINES;
    }
    if (left > 0) said.push(line);
    left = /^ *\.\.\.$/.test(line) ? 0 : left - 1;
  }
  return said;
};

/** Of what is said about one failure. */
const MOST_LINES = 40;

/** Runs the files, says how each ended, and keeps all that they said in `output`. Answers the exit code. */
const runFiles = async (files: readonly string[], folder: string, output: string): Promise<number> => {
  const entry = fileURLToPath(new URL("./test-files.ts", import.meta.url));
  const child = spawn(process.execPath, [entry, ...files], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    // What Node makes of the sources, once for the hundreds of processes of a run.
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder, "compile-cache") },
  });
  const written = createWriteStream(output);
  child.stdout.pipe(written);
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (/^(not )?ok \d+ - /.test(line)) say(line);
  });
  const [[code]] = await Promise.all([once(child, "exit"), once(written, "close")]);
  return typeof code === "number" ? code : 1;
};

const run = async (): Promise<number> => {
  const missing = provide([SOFTHSM, ...TEST_PROGRAMS], say);
  if (missing.length > 0) {
    for (const { name, debian } of missing) say(`${name} is missing. On Debian: apt-get install ${debian}`);
    say("0 passed, 1 failed, 0 skipped");
    return 1;
  }
  const synapse = await prepareSynapseRoot(say);
  if (synapse.kind === "unavailable") say(`Tests that need Synapse are skipped. ${synapse.why}`);
  const named = process.argv.slice(2);
  const files = named.length > 0 ? named : globSync("{test,scripts}/**/*.test.ts", { cwd: root }).sort();
  const folder = mkdtempSync(join(tmpdir(), "keyswitch-test-"));
  const output = join(folder, "results.tap");
  try {
    // Writes tap's class for the plugins that package.json leaves on.
    spawnSync("tap", ["build"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
    const code = await runFiles(files, folder, output);
    const tap = readFileSync(output, "utf8");
    if (code !== 0) for (const line of failuresOf(tap)) say(line);
    const counts = countsOf(tap);
    if (counts === undefined) {
      say("The test runner ended without a count.");
      say("0 passed, 1 failed, 0 skipped");
      return 1;
    }
    // A file that ended early fails the run without a failed assertion.
    const failed = code !== 0 && counts.failed === 0 ? 1 : counts.failed;
    say(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`);
    return code;
  } finally {
    // A process that a test has ended may write what it compiled as it goes.
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
};

process.exitCode = await run();
