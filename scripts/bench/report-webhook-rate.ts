// SPDX-License-Identifier: Apache-2.0
// Prints what a sync costs the webhook beside a bare fastify route.
import { say, sayTable } from "./print-table.ts";
import { CONNECTIONS, type WebhookRate } from "./webhook-rate.ts";

export const reportWebhookRate = (figures: WebhookRate): void => {
  const rows = [
    ["webhook, agents in-process", figures.webhook],
    ["bare fastify route", figures.bare],
  ] as const;
  sayTable([
    [`syncs, ${CONNECTIONS} connections`, "requests/s", "p50 ms", "p95 ms", "CPU µs each"],
    ...rows.map(([name, { perSecond, timing, cpuMicroseconds }]) => [
      name,
      perSecond,
      timing.p50,
      timing.p95,
      cpuMicroseconds,
    ]),
  ]);
  const [even, odd] = figures.halves;
  say(
    `Of the quietest quarter of the rounds, after V8 had compiled. Beyond the bare route: ${figures.beyondMicroseconds} µs; by half of the rounds ${even}, by the others ${odd}. One of the webhook's first 8,000 syncs took ${figures.firstMicroseconds} µs.`,
  );
  say(`Both run with the image's options: ${figures.options}\n`);
};
