// SPDX-License-Identifier: Apache-2.0
// Draws measured points as an SVG: a line for each series, numbers of objects along a logarithmic axis, labelled axes with units.

interface Series {
  readonly name: string;
  /** Numbers of objects, above 0, and what was measured at each. */
  readonly points: readonly (readonly [objects: number, value: number])[];
}

export interface Plot {
  readonly title: string;
  /** What the vertical axis has, with its unit. */
  readonly measure: string;
  readonly series: readonly Series[];
}

const WIDTH = 640;
const HEIGHT = 400;
const LEFT = 80;
const RIGHT = 150;
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

const drawn = ({ name, points }: Series, index: number, x: Scale, y: Scale): string[] => {
  const colour = COLOURS[index % COLOURS.length] ?? "#000";
  const places = points.map(([number, value]) => [x(number).toFixed(1), y(value).toFixed(1)] as const);
  const at = TOP + 12 + index * 20;
  return [
    `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${places.map((place) => place.join(",")).join(" ")}"/>`,
    ...places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colour}"/>`),
    `<rect x="${WIDTH - RIGHT + 12}" y="${at - 9}" width="10" height="10" fill="${colour}"/>`,
    `<text x="${WIDTH - RIGHT + 28}" y="${at}" ${FONT}>${escaped(name)}</text>`,
  ];
};

/** @throws Error where there is no point, or a number of objects that has no logarithm */
export const svgOf = ({ title, measure, series }: Plot): string => {
  const points = series.flatMap((one) => one.points);
  const numbers = [...new Set(points.map(([number]) => number))].sort((a, b) => a - b);
  const [least] = numbers;
  const most = numbers.at(-1);
  if (least === undefined || most === undefined || least <= 0) throw new Error(`${title}: no points to draw`);
  const ticks = ticksUpTo(Math.max(...points.map(([, value]) => value)));
  const highest = ticks.at(-1) ?? 1;
  const [from, to] = [Math.log10(least), Math.log10(most)];
  const inner = WIDTH - LEFT - RIGHT - 40;
  const x: Scale = (number) =>
    LEFT + 20 + (to === from ? inner / 2 : (inner * (Math.log10(number) - from)) / (to - from));
  const y: Scale = (value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * value) / highest;
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="26" font-family="sans-serif" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    ...axes(numbers, ticks, x, y),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 14}" text-anchor="middle" ${FONT}>number of objects (logarithmic)</text>`,
    `<text x="18" y="${middle}" text-anchor="middle" transform="rotate(-90 18 ${middle})" ${FONT}>${escaped(measure)}</text>`,
    ...series.flatMap((one, index) => drawn(one, index, x, y)),
    "</svg>",
    "",
  ].join("\n");
};
