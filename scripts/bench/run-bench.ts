// SPDX-License-Identifier: Apache-2.0
// Runs the parts of a benchmark one after the other, writes the figures of each to a file of its own, and sums up the goals.
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { exitOnSignals } from "../local/exit-on-signals.ts";
import { PROFILE_FOLDER } from "../local/profile/profiled.ts";
import { provide, SOFTHSM } from "../system-packages.ts";
import { type Bench, type Plan, planOf, usageOf } from "./command-line.ts";
import { type Machine, thisMachine, told } from "./machine.ts";
import type { Outcome, Part, PartScene } from "./part.ts";
import { say, sayTable } from "./print-table.ts";
import { goalRows, lastLines } from "./summary.ts";

const RESULTS = fileURLToPath(new URL("../../bench/results/", import.meta.url));

const makeFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "keyswitch-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
};

const startProfiles = (results: string): void => {
  const profiles = join(results, "profiles");
  rmSync(profiles, { recursive: true, force: true });
  mkdirSync(profiles, { recursive: true });
  process.env[PROFILE_FOLDER] = profiles;
  say(`Profiles go to ${profiles}; figures of processes that are profiled are not those of others.\n`);
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Measures, and writes the figures: a part that can't do either has failed. */
const outcomeOf = async (part: Part, scene: PartScene, machine: Machine): Promise<Outcome> => {
  const at = new Date().toISOString();
  try {
    const result = await part.measure(scene);
    if (result.kind === "measured") {
      const written = { machine, at, ...result.figures, goals: result.goals };
      writeFileSync(join(scene.results, `${part.name}.json`), `${JSON.stringify(written, null, 2)}\n`);
    }
    return { part, result };
  } catch (error) {
    say(error instanceof Error ? `${error.stack}\n` : `${messageOf(error)}\n`);
    return { part, result: { kind: "failed", why: messageOf(error) } };
  }
};

/** What a process that a failed part has left behind still writes to goes at the exit, with the process. */
const tryToRemove = (folder: string): void => {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    say(messageOf(error));
  }
};

const runPart = async (part: Part, scene: PartScene, machine: Machine): Promise<Outcome> => {
  const begin = performance.now();
  say(`== ${part.name}: ${part.about}\n`);
  mkdirSync(scene.folder);
  const outcome = await outcomeOf(part, scene, machine);
  const { result } = outcome;
  if (result.kind !== "measured") say(`${part.name}: ${result.kind}: ${result.why}\n`);
  tryToRemove(scene.folder);
  say(`(${part.name} took ${Math.round((performance.now() - begin) / 1000)} s)\n`);
  return outcome;
};

/** Makes the folder of the figures where it is missing; answers why nothing can be written there. */
const faultOfResults = (results: string): string | undefined => {
  try {
    mkdirSync(results, { recursive: true });
    accessSync(results, constants.W_OK);
    return undefined;
  } catch (error) {
    return `the figures can't be written to ${results}: ${messageOf(error)}`;
  }
};

/** Answers with the exit code. */
const run = async ({ parts, profile, into, option }: Extract<Plan, { kind: "run" }>): Promise<number> => {
  const results = into === undefined ? RESULTS : resolve(into);
  const fault = faultOfResults(results);
  if (fault !== undefined) {
    say(fault);
    return 2;
  }
  const [missing] = provide([SOFTHSM], say);
  if (missing !== undefined) {
    say(`${missing.name} is missing: apt-get install ${missing.debian}`);
    return 1;
  }
  const machine = thisMachine();
  say(`${told(machine)}\n`);
  if (profile) startProfiles(results);
  const folder = makeFolder();
  const outcomes: Outcome[] = [];
  for (const part of parts) {
    outcomes.push(await runPart(part, { folder: join(folder, part.name), results, option }, machine));
  }
  say("== goals\n");
  sayTable(goalRows(outcomes));
  for (const line of lastLines(outcomes)) say(line);
  say(`Figures, one file for each part: ${relative("", results) || "."}/`);
  return outcomes.some(({ result }) => result.kind === "failed") ? 1 : 0;
};

/** Runs what the command line asks for, and exits. */
export const runBench = async (bench: Bench): Promise<never> => {
  const plan = planOf(bench, process.argv.slice(2));
  if (plan.kind === "refused") say(`${plan.why}\n`);
  if (plan.kind !== "run") {
    say(usageOf(bench));
    process.exit(plan.kind === "help" ? 0 : 2);
  }
  // Processes and files of the parts go then: see ends-with-this.ts.
  exitOnSignals();
  process.exit(await run(plan));
};
