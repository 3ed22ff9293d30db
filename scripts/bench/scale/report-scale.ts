// SPDX-License-Identifier: Apache-2.0
// Prints what was measured of many objects beside its goals, and draws it.
import { atLeast, atMost, type Goal } from "../goals.ts";
import { sayTable } from "../print-table.ts";
import { rounded } from "../quantile.ts";
import type { ScaleFigures, ToggleFigures } from "./scale-figures.ts";
import { type Plot, writePlots } from "./svg-plot.ts";

/** Times that of the fewest objects. */
const MOST_TIMES = { bytes: 1.1, memory: 1.25 };

const endsOf = (scale: readonly ScaleFigures[]): { least: ScaleFigures; most: ScaleFigures } => {
  const [least] = scale;
  const most = scale.at(-1);
  if (least === undefined || most === undefined) throw new Error("nothing was measured");
  return { least, most };
};

export const scaleGoals = (scale: readonly ScaleFigures[]): Goal[] => {
  const { least, most } = endsOf(scale);
  const objects = most.objects - least.objects;
  const grown = (name: "agent" | "child"): number => (most.memory[name] - least.memory[name]) / objects;
  const percent = Math.min(...scale.map(({ unchangedPercent }) => unchangedPercent));
  const requests = Math.max(...scale.map(({ requestsEach }) => requestsEach));
  return [
    atMost("requests to the agent for an unchanged resync", requests, 1, ""),
    atLeast("of these answered with 304, without a value", percent, 100, " %"),
    atMost(
      "bytes of one with most objects, times with fewest",
      most.bytesEach / least.bytesEach,
      MOST_TIMES.bytes,
      "",
    ),
    atMost("the webhook's time for one, likewise", most.webhookCpu / least.webhookCpu, 1.25, ""),
    atMost("its memory, likewise", most.memory.webhook / least.memory.webhook, MOST_TIMES.memory, ""),
    atMost("memory of agent and child for an object", 1024 * (grown("agent") + grown("child")), 16, " KiB"),
  ];
};

const reportTables = (scale: readonly ScaleFigures[]): void => {
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
  ]);
  sayTable([
    ["resident memory with", "webhook MiB", "agent MiB", "PKCS#11 child MiB"],
    ...scale.map(({ objects, memory }) => [
      `${objects} HSMSecrets`,
      memory.webhook,
      memory.agent,
      memory.child,
    ]),
  ]);
};

export const reportToggles = ({ objects, perSecond, webhookCpu, memory }: ToggleFigures): void =>
  sayTable([
    ["syncs of", "syncs/s", "webhook µs", "webhook MiB"],
    [`${objects} Toggles`, perSecond, webhookCpu, memory],
  ]);

const ACROSS = { label: "number of objects (logarithmic)", scale: "logarithmic" } as const;

const plotsOf = (scale: readonly ScaleFigures[]): Readonly<Record<string, Plot>> => {
  const { least } = endsOf(scale);
  const points = (of: (one: ScaleFigures) => number) => scale.map((one) => [one.objects, of(one)] as const);
  return {
    "scale-rate": {
      title: "Unchanged resyncs of HSMSecrets",
      across: ACROSS,
      measure: "syncs a second",
      series: [{ name: "webhook and agent", points: points(({ perSecond }) => perSecond) }],
    },
    "scale-memory": {
      title: "Memory under these resyncs",
      across: ACROSS,
      measure: "resident, MiB",
      series: (["webhook", "agent", "child"] as const).map((name) => ({
        name: name === "child" ? "PKCS#11 child" : name,
        points: points(({ memory }) => memory[name]),
      })),
      limits: [{ name: "goal of the webhook", value: least.memory.webhook * MOST_TIMES.memory }],
    },
    "scale-requests": {
      title: "Requests to the agent for one resync",
      across: ACROSS,
      measure: "requests",
      series: [
        { name: "all", points: points(({ requestsEach }) => requestsEach) },
        {
          name: "answered with 304",
          points: points(({ requestsEach, unchangedPercent }) => (requestsEach * unchangedPercent) / 100),
        },
      ],
      limits: [{ name: "goal", value: 1 }],
    },
    "scale-bytes": {
      title: "Bytes from the agent for one resync",
      across: ACROSS,
      measure: "bytes, with headers",
      series: [{ name: "from the agent", points: points(({ bytesEach }) => bytesEach) }],
      limits: [{ name: "goal", value: least.bytesEach * MOST_TIMES.bytes }],
    },
  };
};

/** Prints the figures; `folder` gets the plots. */
export const reportScale = (scale: readonly ScaleFigures[], folder: string): void => {
  reportTables(scale);
  writePlots(plotsOf(scale), folder);
};
