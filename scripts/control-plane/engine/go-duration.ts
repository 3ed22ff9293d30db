// SPDX-License-Identifier: Apache-2.0
// Durations as Go writes them, `1m30s`: https://pkg.go.dev/time#ParseDuration and time.Duration.String.

const MS = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
type Unit = keyof typeof MS;
const part = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g;
const whole = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/;
const isUnit = (text: string | undefined): text is Unit => text !== undefined && text in MS;

/** Milliseconds, or undefined where the text is no positive duration. */
export const durationMs = (text: string): number | undefined => {
  if (!whole.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(part)) if (isUnit(unit)) total += Number(count) * MS[unit];
  return total > 0 ? total : undefined;
};

/** The text Go gives for a duration of whole milliseconds: `1m` becomes `1m0s`. */
export const canonicalDuration = (ms: number): string => {
  if (ms < 1_000) return `${ms}ms`;
  const hours = Math.floor(ms / MS.h);
  const minutes = Math.floor((ms % MS.h) / MS.m);
  const seconds = (ms % MS.m) / 1_000;
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
};
