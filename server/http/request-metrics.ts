// SPDX-License-Identifier: Apache-2.0
// Counts and times HTTP requests by route and status, and counts errors by code.
import type { FastifyRequest } from "fastify";
import { Counter, Histogram, type Registry } from "prom-client";

/** Seconds, from an answer out of memory to the timeout of a hook. */
export const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The counter of errors by code, made once for a registry. */
export const errorCounter = (registry: Registry): Pick<Counter<"code">, "inc"> => {
  const known = counters.get(registry);
  if (known !== undefined) return known;
  const counter = new Counter({
    name: "keyswitch_errors_total",
    help: "Errors by code: answered ones, and readings of the token that failed.",
    labelNames: ["code"],
    registers: [registry],
  });
  counters.set(registry, counter);
  return counter;
};
const counters = new WeakMap<Registry, Counter<"code">>();

/** A counter of something by `by` and outcome, and a histogram of its seconds by `by` alone. */
type TimedMetrics = {
  by: string;
  total: { name: string; help: string };
  seconds: { name: string; help: string };
  buckets: number[];
};

/** Registers the two; the answer counts one, which took so many seconds. */
export const countTimed = (registry: Registry, { by, total, seconds, buckets }: TimedMetrics) => {
  const registers = [registry];
  const counter = new Counter({ ...total, labelNames: [by, "outcome"], registers });
  const histogram = new Histogram({ ...seconds, labelNames: [by], buckets, registers });
  return (what: string, outcome: string, took: number): void => {
    counter.inc({ [by]: what, outcome });
    histogram.observe({ [by]: what }, took);
  };
};

/** Registers the metrics; the answer counts one finished request. */
export const createRequestMetrics = (registry: Registry) => {
  const requests = new Counter({
    name: "keyswitch_http_requests_total",
    help: "HTTP requests by route and status.",
    labelNames: ["route", "status"],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: "keyswitch_http_request_seconds",
    help: "Time from an HTTP request's headers to its answer's last byte, in seconds.",
    labelNames: ["route", "status"],
    buckets: SECONDS_BUCKETS,
    registers: [registry],
  });
  const errorCodes = errorCounter(registry);
  return {
    observe(request: FastifyRequest, status: number, elapsedMs: number): void {
      const labels = { route: request.routeOptions.url ?? "unknown", status: String(status) };
      requests.inc(labels);
      seconds.observe(labels, elapsedMs / 1000);
      if (request.errorCode !== null) errorCodes.inc({ code: request.errorCode });
    },
  };
};
