// SPDX-License-Identifier: Apache-2.0
// `npm run test:cluster`: runs the tour, the cases of test/cases and the steps of scripts/cluster on a real API server and
// Metacontroller, under both apply strategies. Prints `N passed, N failed, N skipped` as the last line; where no engine is
// configured, says so and counts its steps as skipped.
import type { Case } from "../test/cases/case.ts";
import { CASES } from "../test/cases/index.ts";
import { runCases } from "../test/cases/run-cases.ts";
import { CLUSTER_STEPS, clusterSteps } from "./cluster/cluster-steps.ts";
import { type Engine, findEngine } from "./cluster/engine-programs.ts";
import { openRealControlPlane } from "./cluster/real-control-plane.ts";
import { rotationUnderLoad } from "./cluster/rotation-under-load.ts";
import type { ApplyStrategy } from "./local/control-plane.ts";
import { type Stack, startStack } from "./local/stack.ts";
import { provideForStack } from "./system-packages.ts";
import { runSteps, runTour, type StepResult, TOUR_STEPS, tableOf } from "./tour.ts";

const STRATEGIES: readonly ApplyStrategy[] = ["server-side-apply", "dynamic-apply"];
/** The one under which credentials are also rotated under load. */
const LOADED: ApplyStrategy = "server-side-apply";
/** The longest that a step waits for one thing: a real garbage collector knows a new kind after half a minute. */
const STEP_SECONDS = 60;
/** For how long nothing may move where nothing happens. */
const QUIET_SECONDS = 60;

const say = (line: string) => process.stdout.write(`${line}\n`);

const words = process.argv.slice(2);
const isMeant = ({ title }: { title: string }): boolean =>
  words.length === 0 || words.some((word) => title.includes(word));

type Target = { readonly engine: Engine; readonly applyStrategy: ApplyStrategy };

const meant = CASES.filter(isMeant);

/** The cases that `engine` lets us try. */
const casesOn = (engine: Engine): Case[] =>
  meant.filter(({ restartsApi }) => !restartsApi || "etcd" in engine.api);

const runOn = async (stack: Stack, { engine, applyStrategy }: Target): Promise<StepResult[]> => {
  const waits = { seconds: STEP_SECONDS, quietSeconds: QUIET_SECONDS };
  const toured = words.length > 0 ? [] : await runTour(stack, say, STEP_SECONDS);
  const cases = await runCases(casesOn(engine), { stack, applyStrategy, ...waits, say });
  const load = applyStrategy === LOADED ? [rotationUnderLoad(stack, STEP_SECONDS)] : [];
  const steps = [...load, ...clusterSteps(stack, STEP_SECONDS)].filter(isMeant);
  return [...toured, ...cases, ...(await runSteps(steps, say))];
};

const runAll = async (engine: Engine): Promise<StepResult[]> => {
  const controlPlane = openRealControlPlane(engine);
  const results: StepResult[] = [];
  for (const applyStrategy of STRATEGIES) {
    say(`Metacontroller with --apply-strategy=${applyStrategy}`);
    const stack = await startStack({ say, controlPlane, applyStrategy });
    try {
      const ran = await runOn(stack, { engine, applyStrategy });
      say(tableOf(ran));
      results.push(...ran);
    } finally {
      await stack.close();
    }
  }
  return results;
};

const found = findEngine(process.env);
if ("missing" in found) {
  say(`Nothing was tried: ${found.missing}.`);
  say(
    `0 passed, 0 failed, ${STRATEGIES.length * (TOUR_STEPS + CLUSTER_STEPS + CASES.length + 1) + 1} skipped`,
  );
} else {
  const missing = provideForStack(say);
  if (missing.length > 0) throw new Error(`missing: ${missing.map(({ debian }) => debian).join(", ")}`);
  const results = await runAll(found.engine);
  const failed = results.filter(({ ok }) => !ok).length;
  const skipped = STRATEGIES.length * (meant.length - casesOn(found.engine).length);
  say(`${results.length - failed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed === 0 ? 0 : 1;
}
