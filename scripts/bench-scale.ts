// SPDX-License-Identifier: Apache-2.0
// `npm run bench:scale`: measures many objects, replicas and waiting readers, and writes figures and plots to bench/results/, or to a
// folder that is given. `npm run bench:scale -- soak [minutes]` lets agents be killed under a steady load instead.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startMeasuringProcess } from "./bench/measuring-process.ts";
import { say, sayGoals } from "./bench/print-table.ts";
import { measureReplicas } from "./bench/scale/replicas.ts";
import { type AllScaleFigures, reportScale } from "./bench/scale/report-scale.ts";
import { measureScale, measureToggles, type ScaleFigures } from "./bench/scale/scale-figures.ts";
import { measureSoak, reportSoak } from "./bench/scale/soak.ts";
import { SyncLoaded } from "./bench/scale/sync-load.ts";
import { measureWaiting } from "./bench/scale/waiting-readers.ts";
import { provide, SOFTHSM } from "./system-packages.ts";

const SIZES = [100, 1000, 10_000];
const TOGGLES = 1000;
const KEYS = { username: "app", password: "x".repeat(32) };
const RESULTS = fileURLToPath(new URL("../bench/results/", import.meta.url));
const SOAK_MINUTES = 10;

const measure = async (folder: string): Promise<AllScaleFigures> => {
  const load = startMeasuringProcess("scale/sync-load.ts", SyncLoaded);
  const made = Math.max(...SIZES);
  try {
    const scale: ScaleFigures[] = [];
    for (const objects of SIZES) {
      say(`${objects} HSMSecrets...`);
      scale.push(await measureScale(folder, load, KEYS, { objects, made }));
    }
    say("Toggles, replicas, readers...\n");
    return {
      scale,
      toggles: await measureToggles(load, TOGGLES),
      replicas: await measureReplicas(folder, load, KEYS, made),
      waiting: await measureWaiting(folder, KEYS),
    };
  } finally {
    await load.stop();
  }
};

const [missing] = provide([SOFTHSM], say);
if (missing !== undefined) throw new Error(`${missing.name} is missing: apt-get install ${missing.debian}`);
const folder = mkdtempSync(join(tmpdir(), "keyswitch-scale-"));
const [first, second] = process.argv.slice(2);
const machine = { processors: cpus().length, model: cpus()[0]?.model, node: process.version };
const write = (into: string, name: string, figures: object): void => {
  mkdirSync(into, { recursive: true });
  writeFileSync(join(into, name), `${JSON.stringify({ machine, ...figures }, null, 2)}\n`);
};
try {
  if (first === "soak") {
    const figures = await measureSoak(folder, KEYS, Number(second ?? SOAK_MINUTES), say);
    const goals = reportSoak(figures);
    sayGoals(goals);
    write(RESULTS, "soak.json", { ...figures, goals });
  } else {
    const figures = await measure(folder);
    const into = first ?? RESULTS;
    const goals = reportScale(figures, into);
    sayGoals(goals);
    write(into, "scale.json", { ...figures, goals });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
