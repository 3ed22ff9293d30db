// SPDX-License-Identifier: Apache-2.0
// Prints what was measured of many objects beside its goals, and draws it.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { atLeast, atMost, type Goal } from "../goals.ts";
import { say, sayTable } from "../print-table.ts";
import { rounded } from "../quantile.ts";
import type { ReplicaFigures } from "./replicas.ts";
import type { ScaleFigures, ToggleFigures } from "./scale-figures.ts";
import { type Plot, svgOf } from "./svg-plot.ts";
import type { WaitingFigures } from "./waiting-readers.ts";

export interface AllScaleFigures {
  readonly scale: readonly ScaleFigures[];
  readonly toggles: ToggleFigures;
  readonly replicas: ReplicaFigures;
  readonly waiting: WaitingFigures;
}

const endsOf = (scale: readonly ScaleFigures[]): { least: ScaleFigures; most: ScaleFigures } => {
  const [least] = scale;
  const most = scale.at(-1);
  if (least === undefined || most === undefined) throw new Error("nothing was measured");
  return { least, most };
};

const scaleGoals = ({ scale, replicas, waiting }: AllScaleFigures): Goal[] => {
  const { least, most } = endsOf(scale);
  const objects = most.objects - least.objects;
  const grown = (name: "agent" | "child"): number => (most.memory[name] - least.memory[name]) / objects;
  const percent = Math.min(...scale.map(({ unchangedPercent }) => unchangedPercent));
  const requests = Math.max(...scale.map(({ requestsEach }) => requestsEach));
  return [
    atMost("requests to the agent for an unchanged resync", requests, 1, ""),
    atLeast("of these answered with 304, without a value", percent, 100, " %"),
    atMost("bytes of one with most objects, times with fewest", most.bytesEach / least.bytesEach, 1.1, ""),
    atMost("the webhook's time for one, likewise", most.webhookCpu / least.webhookCpu, 1.25, ""),
    atMost("its memory, likewise", most.memory.webhook / least.memory.webhook, 1.25, ""),
    atMost("memory of agent and child for an object", 1024 * (grown("agent") + grown("child")), 16, " KiB"),
    atLeast("syncs of two webhooks, times those of one, by processor time", replicas.times, 1.8, ""),
    atMost("reads that fail with a thousand readers", waiting.failed, 0, ""),
    atMost("the agent's memory late, times early", waiting.memoryLate / waiting.memoryEarly, 1.1, ""),
    atMost("its /healthz meanwhile, p95", waiting.healthP95, 50, " ms"),
  ];
};

const reportTables = ({ scale, toggles, replicas, waiting }: AllScaleFigures): void => {
  sayTable([
    ["unchanged resyncs of", "syncs/s", "p95 ms", "webhook µs", "agent µs", "requests", "304 %", "bytes"],
    ...scale.map((one) => [
      `${one.objects} HSMSecrets`,
      one.perSecond,
      one.p95,
      one.webhookCpu,
      one.agentCpu,
      rounded(one.requestsEach),
      rounded(one.unchangedPercent),
      one.bytesEach,
    ]),
    [`${toggles.objects} Toggles`, toggles.perSecond, "", toggles.webhookCpu, "", "", "", ""],
  ]);
  sayTable([
    ["resident memory with", "webhook MiB", "agent MiB", "PKCS#11 child MiB"],
    ...scale.map(({ objects, memory }) => [
      `${objects} HSMSecrets`,
      memory.webhook,
      memory.agent,
      memory.child,
    ]),
    [`${toggles.objects} Toggles`, toggles.memory, "", ""],
  ]);
  say(
    `Webhooks: one ${replicas.one} syncs/s, two ${replicas.two} beside agent and load, and ${replicas.times} times by processor time.`,
  );
  say(
    `${waiting.readers} readers: ${waiting.perSecond} reads/s, ${waiting.memoryEarly} MiB early, ${waiting.memoryLate} MiB late, /healthz p95 ${waiting.healthP95} ms.\n`,
  );
};

const plotsOf = (scale: readonly ScaleFigures[]): Readonly<Record<string, Plot>> => {
  const points = (of: (one: ScaleFigures) => number) => scale.map((one) => [one.objects, of(one)] as const);
  return {
    "scale-rate": {
      title: "Unchanged resyncs of HSMSecrets",
      measure: "syncs a second",
      series: [{ name: "webhook and agent", points: points(({ perSecond }) => perSecond) }],
    },
    "scale-memory": {
      title: "Memory under these resyncs",
      measure: "resident, MiB",
      series: (["webhook", "agent", "child"] as const).map((name) => ({
        name: name === "child" ? "PKCS#11 child" : name,
        points: points(({ memory }) => memory[name]),
      })),
    },
    "scale-requests": {
      title: "Requests to the agent for one resync",
      measure: "requests",
      series: [{ name: "all of them 304", points: points(({ requestsEach }) => requestsEach) }],
    },
    "scale-bytes": {
      title: "Bytes from the agent for one resync",
      measure: "bytes, with headers",
      series: [{ name: "from the agent", points: points(({ bytesEach }) => bytesEach) }],
    },
  };
};

/** Prints the figures; answers their goals. `folder` gets the plots. */
export const reportScale = (figures: AllScaleFigures, folder: string): Goal[] => {
  reportTables(figures);
  mkdirSync(folder, { recursive: true });
  for (const [name, plot] of Object.entries(plotsOf(figures.scale))) {
    writeFileSync(join(folder, `${name}.svg`), svgOf(plot));
    say(`${join(folder, `${name}.svg`)}`);
  }
  say("");
  return scaleGoals(figures);
};
