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

t.test("decades are equally far apart, and the same value has the same height", async (t) => {
  const svg = svgOf({
    title: "A <title> & more",
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
    measure: "MiB",
    series: [{ name: "webhook", points }],
  });
  t.equal(centres(svgOf(plot([[100, 5]]))).length, 1);
  t.throws(() => svgOf(plot([])), /one: no points to draw/);
  t.throws(() => svgOf(plot([[0, 5]])), /no points to draw/);
});
