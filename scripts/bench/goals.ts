// SPDX-License-Identifier: Apache-2.0
// The figures' goals, and whether a run met them.
import type { EndToEnd } from "./end-to-end.ts";
import { rounded } from "./quantile.ts";
import type { TokenReads } from "./token-reads.ts";
import type { WebhookRate } from "./webhook-rate.ts";

export interface Figures {
  readonly webhookRate: WebhookRate;
  readonly endToEnd: EndToEnd;
  readonly reads: readonly TokenReads[];
}

export interface Goal {
  readonly goal: string;
  readonly figure: string;
  readonly met: boolean;
}

const atLeast = (goal: string, value: number, limit: number, unit: string): Goal => ({
  goal: `${goal}: at least ${limit}${unit}`,
  figure: `${rounded(value)}${unit}`,
  met: value >= limit,
});

const atMost = (goal: string, value: number, limit: number, unit: string): Goal => ({
  goal: `${goal}: at most ${limit}${unit}`,
  figure: `${rounded(value)}${unit}`,
  met: value <= limit,
});

/** The goals of README's promises, in the order in which they are printed. */
export const goalsOf = ({ webhookRate, endToEnd, reads }: Figures): Goal[] => {
  const at = (secrets: number): TokenReads => {
    const found = reads.find((one) => one.secrets === secrets);
    if (found === undefined) throw new Error(`no token of ${secrets} secrets was measured`);
    return found;
  };
  return [
    atLeast("webhook syncs beside a bare fastify route", webhookRate.percent, 60, " %"),
    atMost("read p50 at 2,000 secrets, times that at 20", at(2000).agent.p50 / at(20).agent.p50, 1.5, ""),
    atLeast(
      "read p50 at 200 secrets, times faster than a scan",
      at(200).scan.p50 / at(200).agent.p50,
      10,
      "",
    ),
    ...Object.entries(endToEnd.memory).map(([process, { now }]) =>
      atMost(`resident memory of the ${process}`, now, 120, " MiB"),
    ),
  ];
};
