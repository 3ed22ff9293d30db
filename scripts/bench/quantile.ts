// SPDX-License-Identifier: Apache-2.0
// Computes and rounds the quantiles of measured times.
import { type Static, Type } from "@sinclair/typebox";

/** Milliseconds. */
export const Timing = Type.Object({ p50: Type.Number(), p95: Type.Number() });
export type Timing = Static<typeof Timing>;

/** The sample at the quantile `q`, 0 to 1. */
export const quantile = (samples: readonly number[], q: number): number =>
  samples.toSorted((a, b) => a - b)[Math.min(samples.length - 1, Math.floor(samples.length * q))] ?? 0;

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);

/** To three digits: more than that is noise. */
export const rounded = (value: number): number => Number(value.toPrecision(3));

export const timingOf = (samples: readonly number[]): Timing => ({
  p50: rounded(quantile(samples, 0.5)),
  p95: rounded(quantile(samples, 0.95)),
});
