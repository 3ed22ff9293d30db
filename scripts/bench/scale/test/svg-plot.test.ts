// SPDX-License-Identifier: Apache-2.0
// Tests that a plot has its points where its axes say, labels with units, and nothing of a name that would be markup.
import t from "tap";
import { svgOf, ticksUpTo } from "../svg-plot.ts";

t.test("ticks are round, begin at 0 and reach the largest value", async (t) => {
  t.same(ticksUpTo(8), [0, 2, 4, 6, 8]);
  t.same(ticksUpTo(2690), [0, 1000, 2000, 3000]);
  t.same(ticksUpTo(0.9), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  t.same(ticksUpTo(0), [0, 1]);
  for (const most of [0.013, 1, 3, 7.7, 99, 12_345]) {
    const ticks = ticksUpTo(most);
    t.ok((ticks.at(-1) ?? 0) >= most && ticks.length <= 7, `${most}: ${ticks.join(" ")}`);
  }
});

/** The centres of the circles, in order. */
const centres = (svg: string): number[][] =>
  [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)]);

const OBJECTS = { label: "number of objects (logarithmic)", scale: "logarithmic" } as const;

t.test("decades are equally far apart, and the same value has the same height", async (t) => {
  const svg = svgOf({
    title: "A <title> & more",
    across: OBJECTS,
    measure: "bytes",
    series: [
      {
        name: "flat",
        points: [
          [100, 300],
          [1000, 300],
          [10_000, 300],
        ],
      },
    ],
  });
  const [[x1 = 0, y1] = [], [x2 = 0, y2] = [], [x3 = 0, y3] = []] = centres(svg);
  t.ok(x2 > x1 && Math.abs(x2 - x1 - (x3 - x2)) < 0.2);
  t.same([y2, y3], [y1, y1]);
  t.match(svg, />bytes<\/text>/);
  t.match(svg, />number of objects \(logarithmic\)<\/text>/);
  for (const number of ["100", "1,000", "10,000"]) t.ok(svg.includes(`>${number}</text>`), number);
  t.ok(svg.includes("A &lt;title&gt; &amp; more") && !svg.includes("<title>"));
  t.notMatch(svg, /NaN|Infinity/);
});

t.test("a single number of objects is drawn, none at all is refused", async (t) => {
  const plot = (points: [number, number][]) => ({
    title: "one",
    across: OBJECTS,
    measure: "MiB",
    series: [{ name: "webhook", points }],
  });
  t.equal(centres(svgOf(plot([[100, 5]]))).length, 1);
  t.throws(() => svgOf(plot([])), /one: no points to draw/);
  t.throws(() => svgOf(plot([[0, 5]])), /no points to draw/);
});

t.test("a linear axis begins at 0 with round labels, and steps are equally wide", async (t) => {
  const svg = svgOf({
    title: "minutes",
    across: { label: "minutes", scale: "linear" },
    measure: "MiB",
    series: [{ name: "webhook", points: [1, 2, 3, 10].map((minute) => [minute, 90] as const) }],
  });
  const [[x1 = 0] = [], [x2 = 0] = [], [x3 = 0] = []] = centres(svg);
  t.ok(x2 > x1 && Math.abs(x2 - x1 - (x3 - x2)) < 0.2);
  for (const label of ["0", "2", "10"]) {
    t.ok(svg.includes(`text-anchor="middle" font-family="sans-serif" font-size="12">${label}</text>`), label);
  }
});

t.test("a goal is a dashed line at its height, below the edge, and named with its value", async (t) => {
  const plot = (value: number) =>
    svgOf({
      title: "goal",
      across: OBJECTS,
      measure: "requests",
      series: [{ name: "webhook", points: [[100, 1]] }],
      limits: [{ name: "goal", value }],
    });
  const heightOf = (svg: string): number => Number(svg.match(/class="limit" x1="\d+" y1="([\d.]+)"/)?.[1]);
  const svg = plot(1);
  t.equal(heightOf(svg), centres(svg)[0]?.[1]);
  t.ok(heightOf(svg) > 48 && heightOf(plot(3)) > 48);
  t.match(plot(1.25), />goal \(1.25\)<\/text>/);
});
