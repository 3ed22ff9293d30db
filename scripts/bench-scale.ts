// SPDX-License-Identifier: Apache-2.0
// `npm run bench:scale`: measures many objects, replicas and waiting readers, each a part that can be named, beside their goals, and draws
// them. The part `soak` lets agents be killed under a steady load instead.
import { type MeasuringProcess, startMeasuringProcess } from "./bench/measuring-process.ts";
import { measured, type Part } from "./bench/part.ts";
import { say } from "./bench/print-table.ts";
import { runBench } from "./bench/run-bench.ts";
import { measureReplicas, replicaGoals, reportReplicas } from "./bench/scale/replicas.ts";
import { reportScale, reportToggles, scaleGoals } from "./bench/scale/report-scale.ts";
import { reportSoak, soakGoals } from "./bench/scale/report-soak.ts";
import { measureScale, measureToggles, type ScaleFigures } from "./bench/scale/scale-figures.ts";
import { measureSoak } from "./bench/scale/soak.ts";
import { SyncLoaded } from "./bench/scale/sync-load.ts";
import { measureWaiting, reportWaiting, waitingGoals } from "./bench/scale/waiting-readers.ts";

const SIZES = [100, 1000, 10_000];
const TOGGLES = 1000;
const KEYS = { username: "app", password: "x".repeat(32) };
const SOAK_MINUTES = "10";

const withLoad = async <T>(
  measure: (load: MeasuringProcess<typeof SyncLoaded>) => Promise<T>,
): Promise<T> => {
  const load = startMeasuringProcess("scale/sync-load.ts", SyncLoaded);
  try {
    return await measure(load);
  } finally {
    await load.stop();
  }
};

const secrets: Part = {
  name: "secrets",
  about: "unchanged resyncs of 100, 1,000 and 10,000 HSMSecrets, with plots",
  heading: "Scale",
  async measure({ folder, results }) {
    const scale = await withLoad(async (load) => {
      const sizes: ScaleFigures[] = [];
      for (const objects of SIZES) {
        say(`${objects} HSMSecrets...`);
        sizes.push(await measureScale(folder, load, KEYS, { objects, made: Math.max(...SIZES) }));
      }
      return sizes;
    });
    reportScale(scale, results);
    return { kind: "measured", figures: { scale }, goals: scaleGoals(scale) };
  },
};

const toggles: Part = {
  name: "toggles",
  about: "syncs of 1,000 Toggles",
  heading: "Scale",
  async measure() {
    return measured(await withLoad((load) => measureToggles(load, TOGGLES)), reportToggles, () => []);
  },
};

const replicas: Part = {
  name: "replicas",
  about: "one webhook and two, each limited to a part of a processor where this machine can do that",
  heading: "Scale",
  async measure({ folder }) {
    return measured(
      await withLoad((load) => measureReplicas(folder, load, KEYS)),
      reportReplicas,
      replicaGoals,
    );
  },
};

const readers: Part = {
  name: "readers",
  about: "an agent that a thousand readers wait for",
  heading: "Scale",
  async measure({ folder }) {
    return measured(await measureWaiting(folder, KEYS), reportWaiting, waitingGoals);
  },
};

const soak: Part = {
  name: "soak",
  about: "200 syncs/s while the agent is killed each minute, with a plot of memory",
  heading: "Soak",
  onDemand: true,
  async measure({ folder, results, option }) {
    const minutes = Number(option("minutes") ?? SOAK_MINUTES);
    const figures = await measureSoak(folder, KEYS, minutes, say);
    return measured(figures, () => reportSoak(figures, results), soakGoals);
  },
};

await runBench({
  command: "npm run bench:scale",
  parts: [secrets, toggles, replicas, readers, soak],
  options: { minutes: { value: "N", about: `how long a soak takes, ${SOAK_MINUTES} unless given` } },
});
