// SPDX-License-Identifier: Apache-2.0
// Tests that a part of a benchmark that fails leaves the others alone, and that signals leave nothing behind.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { eventually } from "../../local/eventually.ts";
import { inheritedEnv } from "../../local/inherited-env.ts";
import { softhsmModule } from "../../system-packages.ts";

const RUN = new URL("../run-bench.ts", import.meta.url).href;
const ENDS = new URL("../../local/ends-with-this.ts", import.meta.url).href;

/** A benchmark of two parts that are measured at once, and one that has a process and waits, where it is named. */
const BENCH = `
  import { spawn } from "node:child_process";
  import { existsSync, writeSync } from "node:fs";
  import { runBench } from ${JSON.stringify(RUN)};
  import { endWithThis } from ${JSON.stringify(ENDS)};
  const part = (name, measure, more = {}) => ({ name, about: name, heading: "Scale", measure, ...more });
  const measured = async () => ({ kind: "measured", figures: { figure: 1 }, goals: [] });
  const waits = async () => {
    const child = spawn("sleep", ["600"], { stdio: "ignore" });
    endWithThis(child);
    process.prependOnceListener("exit", () => {
      writeSync(1, "exits\\n");
      // Until the next signal has been sent, which must not cut what is left of the exit.
      const turn = new Int32Array(new SharedArrayBuffer(4));
      for (let left = 600; left > 0 && !existsSync(process.env.SIGNALLED); left -= 1) Atomics.wait(turn, 0, 0, 10);
    });
    console.log("sleeper " + child.pid);
    await new Promise(() => setInterval(() => {}, 1000));
  };
  await runBench({
    command: "a bench",
    parts: [part("first", measured), part("waits", waits, { onDemand: true }), part("last", measured)],
  });`;

const start = (folder: string, ...args: string[]): { child: ChildProcess; printed: () => string } => {
  const script = join(folder, "bench.mjs");
  writeFileSync(script, BENCH);
  const temporary = join(folder, "tmp");
  mkdirSync(temporary, { recursive: true });
  const child = spawn(process.execPath, [script, ...args], {
    // Without NODE_OPTIONS: tap's would have the child take signals.
    env: { ...inheritedEnv(), TMPDIR: temporary, SIGNALLED: join(folder, "signalled") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  return { child, printed: () => text };
};

const skip = softhsmModule() === undefined && "SoftHSM2 is not installed";

t.test("a part whose figures can't be written has failed, and the next is measured", { skip }, async (t) => {
  const folder = t.testdir({ results: { "first.json": {} } });
  const { child, printed } = start(folder, "--into", join(folder, "results"));
  t.same(await once(child, "close"), [1, null]);
  t.match(printed(), /^first: .*EISDIR.*failed *$/m);
  t.ok(existsSync(join(folder, "results", "last.json")));
  t.same(readdirSync(join(folder, "tmp")), [], "nothing is left");
});

t.test("a folder that can't be had is refused before anything is measured", { skip }, async (t) => {
  const folder = t.testdir({ results: "a file" });
  const { child, printed } = start(folder, "--into", join(folder, "results"));
  t.same(await once(child, "close"), [2, null]);
  t.match(printed(), /^the figures can't be written to .*results: /);
  t.notMatch(printed(), /==/);
});

t.test("Ctrl-C that is pressed twice leaves no process and no file", { skip }, async (t) => {
  const folder = t.testdir({ results: {} });
  const { child, printed } = start(folder, "waits", "--into", join(folder, "results"));
  t.teardown(() => child.kill("SIGKILL"));
  const sleeper = await eventually("the part runs", async () => printed().match(/sleeper (\d+)/)?.[1]);
  const closed = once(child, "close");
  child.kill("SIGINT");
  await eventually("the exit has begun", async () => printed().includes("exits"));
  child.kill("SIGINT");
  writeFileSync(join(folder, "signalled"), "");
  t.same(await closed, [130, null]);
  t.same(readdirSync(join(folder, "tmp")), []);
  await eventually("the part's process is gone", async () => !readdirSync("/proc").includes(`${sleeper}`));
});
