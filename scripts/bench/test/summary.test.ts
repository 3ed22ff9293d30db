// SPDX-License-Identifier: Apache-2.0
// Tests that the summary of a benchmark has the goals of all parts, also of those that could not be measured, and says where to read on.
import { readFileSync } from "node:fs";
import t from "tap";
import { atMost } from "../goals.ts";
import { told } from "../machine.ts";
import { anchorOf, type Outcome, type Part } from "../part.ts";
import { goalRows, lastLines } from "../summary.ts";

const part = (name: string, heading: string): Part => ({
  name,
  about: "",
  heading,
  measure: async () => ({ kind: "not measured", why: "a test" }),
});
const outcome = (name: string, heading: string, ...values: number[]): Outcome => {
  const goals = values.map((value) => atMost(`time of ${name}`, value, 10, " ms"));
  return { part: part(name, heading), result: { kind: "measured", figures: {}, goals } };
};

t.test("each goal stands below its part with what came of it", async (t) => {
  const failed: Outcome = { part: part("card", "Cards"), result: { kind: "failed", why: "no reader" } };
  t.same(goalRows([outcome("hooks", "Processor time", 9, 11), failed]), [
    ["hooks", "", ""],
    ["  time of hooks: at most 10 ms", "9 ms", "met"],
    ["  time of hooks: at most 10 ms", "11 ms", "MISSED"],
    ["card: no reader", "", "failed"],
  ]);
});

t.test("goals are counted, and a heading that explains what was missed is named once", async (t) => {
  t.same(lastLines([outcome("hooks", "Scale", 9)]), ["1 goal: 1 met, 0 missed."]);
  const outcomes = [
    outcome("hooks", "Processor time", 11),
    outcome("memory", "Memory and start", 9),
    outcome("sets", "Processor time", 9, 12),
  ];
  t.same(lastLines(outcomes), [
    "4 goals: 2 met, 2 missed.",
    "Where the time and memory of those go:",
    "  docs/performance.md#processor-time (hooks, sets)",
  ]);
});

t.test("docs/performance.md has the headings that parts name", async (t) => {
  const docs = readFileSync(new URL("../../../docs/performance.md", import.meta.url), "utf8");
  const headings = [...docs.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
  const scripts = ["bench.ts", "bench-scale.ts"].map((name) =>
    readFileSync(new URL(`../../${name}`, import.meta.url), "utf8"),
  );
  const named = [...scripts.join("\n").matchAll(/^ {2}heading: "(.*)",$/gm)].map(([, heading]) => heading);
  t.ok(named.length >= 11);
  for (const heading of named) t.ok(headings.includes(heading), `heading ${heading}`);
  t.equal(anchorOf("Sets of HSMs, & more"), "sets-of-hsms--more");
});

t.test("a machine is told in a line", async (t) => {
  const machine = {
    processor: "Xeon, x64",
    processors: 1,
    memoryGib: 7.8,
    kernel: "Linux 6.18",
    node: "v24.21.0",
  };
  t.equal(told(machine), "1 processor (Xeon, x64), 7.8 GiB of memory, Linux 6.18, Node.js 24.21.0");
  t.match(told({ ...machine, processors: 2 }), /^2 processors /);
});
