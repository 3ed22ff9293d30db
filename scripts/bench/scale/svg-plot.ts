// SPDX-License-Identifier: Apache-2.0
// Draws measured points as an SVG: a line for each series, labelled axes with units, the horizontal one logarithmic where that is wanted,
// and goals as dashed lines.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { say } from "../print-table.ts";

interface Series {
  readonly name: string;
  /** Where on the horizontal axis, and what was measured there. */
  readonly points: readonly (readonly [at: number, value: number])[];
}

export interface Plot {
  readonly title: string;
  /** The horizontal axis: logarithmic with what was measured above 0, linear from 0. */
  readonly across: { readonly label: string; readonly scale: "logarithmic" | "linear" };
  /** What the vertical axis has, with its unit. */
  readonly measure: string;
  readonly series: readonly Series[];
  /** Goals of the vertical axis. */
  readonly limits?: readonly { readonly name: string; readonly value: number }[];
}

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 80;
const RIGHT = 220;
const TOP = 48;
const BOTTOM = 56;
/** Told apart also by who sees no red or no green. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];
const FONT = 'font-family="sans-serif" font-size="12"';

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const shown = (value: number): string =>
  value.toLocaleString("en-GB", { maximumSignificantDigits: 4, useGrouping: true });

/** The ends of about five steps of 1, 2 or 5 times a power of ten, from 0 to at least `most`. */
export const ticksUpTo = (most: number): number[] => {
  if (most <= 0) return [0, 1];
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough <= power ? 1 : rough <= 2 * power ? 2 : rough <= 5 * power ? 5 : 10);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) =>
    Number((index * step).toPrecision(12)),
  );
};

type Scale = (value: number) => number;

const line = (x1: number, y1: number, x2: number, y2: number, stroke: string): string =>
  `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${stroke}"/>`;

const axes = (numbers: readonly number[], ticks: readonly number[], x: Scale, y: Scale): string[] => [
  ...ticks.flatMap((tick) => [
    line(LEFT, y(tick), WIDTH - RIGHT, y(tick), tick === 0 ? "#000" : "#ddd"),
    `<text x="${LEFT - 8}" y="${y(tick) + 4}" text-anchor="end" ${FONT}>${shown(tick)}</text>`,
  ]),
  line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, "#000"),
  ...numbers.flatMap((number) => [
    line(x(number), HEIGHT - BOTTOM, x(number), HEIGHT - BOTTOM + 5, "#000"),
    `<text x="${x(number)}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle" ${FONT}>${shown(number)}</text>`,
  ]),
];

/** A line of the legend; `mark` is drawn with its middle at the height that it is given. */
const legend = (row: number, name: string, mark: (y: number) => string): string[] => {
  const y = TOP + 8 + row * 20;
  return [mark(y), `<text x="${WIDTH - RIGHT + 36}" y="${y + 4}" ${FONT}>${escaped(name)}</text>`];
};

/** `radius`: larger for those that are drawn over, so that equal points of two series both show. */
const drawn = ({ name, points }: Series, index: number, radius: number, x: Scale, y: Scale): string[] => {
  const colour = COLOURS[index % COLOURS.length] ?? "#000";
  const places = points.map(([at, value]) => [x(at).toFixed(1), y(value).toFixed(1)] as const);
  return [
    `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${places.map((place) => place.join(",")).join(" ")}"/>`,
    ...places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="${radius}" fill="${colour}"/>`),
    ...legend(
      index,
      name,
      (at) => `<rect x="${WIDTH - RIGHT + 17}" y="${at - 5}" width="10" height="10" fill="${colour}"/>`,
    ),
  ];
};

const dashed = (x1: number, x2: number, y: string | number): string =>
  `<line class="limit" x1="${x1}" y1="${y}" x2="${x2}" y2="${y}" stroke="#555" stroke-width="1.5" stroke-dasharray="6 4"/>`;

const limitLines = (limits: NonNullable<Plot["limits"]>, rows: number, y: Scale): string[] =>
  limits.flatMap(({ name, value }, index) => [
    dashed(LEFT, WIDTH - RIGHT, y(value).toFixed(1)),
    ...legend(rows + index, `${name} (${shown(value)})`, (at) =>
      dashed(WIDTH - RIGHT + 10, WIDTH - RIGHT + 30, at),
    ),
  ]);

/** Where a value is on the horizontal axis, and the values that are labelled there. */
const acrossOf = ({ title, across, series }: Plot): { x: Scale; labelled: readonly number[] } => {
  const measured = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort(
    (a, b) => a - b,
  );
  const [least] = measured;
  const most = measured.at(-1);
  const isLogarithmic = across.scale === "logarithmic";
  if (least === undefined || most === undefined || least < 0 || (isLogarithmic && least === 0)) {
    throw new Error(`${title}: no points to draw`);
  }
  const labelled = isLogarithmic ? measured : ticksUpTo(most);
  const place: Scale = isLogarithmic ? Math.log10 : (value) => value;
  const [from, to] = [place(labelled[0] ?? 0), place(labelled.at(-1) ?? 1)];
  const inner = WIDTH - LEFT - RIGHT - 40;
  const x: Scale = (value) =>
    LEFT + 20 + (to === from ? inner / 2 : (inner * (place(value) - from)) / (to - from));
  return { x, labelled };
};

/** Above the highest value, so that a line there is not that of the edge. */
const HEADROOM = 1.05;

/** @throws Error where there is no point, or one that has no logarithm where that is needed */
export const svgOf = (plot: Plot): string => {
  const { title, across, measure, series, limits = [] } = plot;
  const { x, labelled } = acrossOf(plot);
  const values = [
    ...series.flatMap(({ points }) => points.map(([, value]) => value)),
    ...limits.map(({ value }) => value),
  ];
  const ticks = ticksUpTo(Math.max(...values) * HEADROOM);
  const highest = ticks.at(-1) ?? 1;
  const y: Scale = (value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * value) / highest;
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="26" font-family="sans-serif" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    ...axes(labelled, ticks, x, y),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 14}" text-anchor="middle" ${FONT}>${escaped(across.label)}</text>`,
    `<text x="18" y="${middle}" text-anchor="middle" transform="rotate(-90 18 ${middle})" ${FONT}>${escaped(measure)}</text>`,
    ...limitLines(limits, series.length, y),
    ...series.flatMap((one, index) => drawn(one, index, 2.5 + series.length - index, x, y)),
    "</svg>",
    "",
  ].join("\n");
};

/** Writes each plot to `folder`, named by its key, and says where. */
export const writePlots = (plots: Readonly<Record<string, Plot>>, folder: string): void => {
  mkdirSync(folder, { recursive: true });
  for (const [name, plot] of Object.entries(plots)) {
    writeFileSync(join(folder, `${name}.svg`), svgOf(plot));
    say(join(folder, `${name}.svg`));
  }
  say("");
};
