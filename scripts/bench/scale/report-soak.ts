// SPDX-License-Identifier: Apache-2.0
// Prints what a soak has shown minute by minute beside its goals, and draws the memory.
import { atMost, type Goal } from "../goals.ts";
import { say, sayTable } from "../print-table.ts";
import type { SoakFigures, SoakMinute } from "./soak.ts";
import { type Plot, writePlots } from "./svg-plot.ts";

/** Percent that memory may be off that of minute 2. */
const DRIFT = 10;
/** 32 connections of the load and as many to the agent, and a few of a process's own: no more, however many were cut. */
const SOCKETS = { webhook: 70, agent: 40 } as const;

const NAMES = { webhook: "webhook", agent: "agent", child: "PKCS#11 child" } as const;

/** From minute 2 on: until then heaps grow to what they need. */
const settledOf = (
  each: readonly SoakMinute[],
): { second: SoakMinute; later: readonly SoakMinute[] } | undefined => {
  const [second, ...later] = each.slice(1);
  return second === undefined || later.length === 0 ? undefined : { second, later };
};

const plotOf = (each: readonly SoakMinute[]): Plot => {
  const second = each[1]?.memory.webhook;
  return {
    title: "Memory in a soak whose agent is killed each minute",
    across: { label: "minutes", scale: "linear" },
    measure: "resident, MiB",
    series: (["webhook", "agent", "child"] as const).map((name) => ({
      name: NAMES[name],
      points: each.map(({ memory }, minute) => [minute + 1, memory[name]] as const),
    })),
    limits:
      second === undefined
        ? []
        : [1 + DRIFT / 100, 1 - DRIFT / 100].map((times, at) => ({
            name: `webhook: at ${at === 0 ? "most" : "least"}`,
            value: second * times,
          })),
  };
};

/** Prints the figures; `folder` gets the plot. */
export const reportSoak = (figures: SoakFigures, folder: string): void => {
  const { minutes, syncs, unavailable, kills, each } = figures;
  say(`${minutes} minutes: ${syncs} syncs, ${unavailable} of them without an agent, ${kills} kills.\n`);
  sayTable([
    [
      "at the end of minute",
      "webhook MiB",
      "agent MiB",
      "PKCS#11 child MiB",
      "webhook sockets",
      "files",
      "agent and child sockets",
      "files",
    ],
    ...each.map(({ memory, webhook, agent }, minute) => [
      minute + 1,
      memory.webhook,
      memory.agent,
      memory.child,
      webhook.sockets,
      webhook.files,
      agent.sockets,
      agent.files,
    ]),
  ]);
  writePlots({ "soak-memory": plotOf(each) }, folder);
};

export const soakGoals = ({ wrong, each }: SoakFigures): Goal[] => {
  const settled = settledOf(each);
  const answers = atMost("wrong answers of a soak", wrong, 0, "");
  if (settled === undefined) return [answers];
  const { second, later } = settled;
  const last = later.at(-1) ?? second;
  const drift = later.map(
    ({ memory }) => (100 * Math.abs(memory.webhook - second.memory.webhook)) / second.memory.webhook,
  );
  return [
    answers,
    atMost("the webhook's memory off that of minute 2", Math.max(...drift), DRIFT, " %"),
    ...(["webhook", "agent"] as const).flatMap((name) => [
      atMost(
        `the ${name}'s open files at the end, beyond minute 2`,
        last[name].files - second[name].files,
        0,
        "",
      ),
      atMost("its sockets then", last[name].sockets, SOCKETS[name], ""),
    ]),
  ];
};
