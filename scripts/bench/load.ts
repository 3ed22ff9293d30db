// SPDX-License-Identifier: Apache-2.0
// Runs a process that loads an HTTP/1.1 server over kept-alive connections, with requests that are prepared.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { encode, loadConnection, type Tally, type Turn } from "./load-connection.ts";
import { rounded, Timing, timingOf } from "./quantile.ts";

/**
 * Requests `method` of each target in turn, for `seconds`, one at a time on each of `connections`: as fast as they are answered, or
 * `perSecond` in all, evenly.
 */
export const LoadRequest = Type.Object({
  port: Type.Integer(),
  method: Type.Union([Type.Literal("GET"), Type.Literal("POST")]),
  targets: Type.Array(Type.Object({ path: Type.String(), body: Type.String() }), { minItems: 1 }),
  connections: Type.Integer({ minimum: 1 }),
  seconds: Type.Number(),
  perSecond: Type.Optional(Type.Number()),
});
export type LoadRequest = Static<typeof LoadRequest>;

/** `failed` counts, of those `answered`, the answers that were not 200; `timing` is in milliseconds. */
export const LoadReply = Type.Object({
  answered: Type.Integer(),
  perSecond: Type.Number(),
  failed: Type.Integer(),
  timing: Timing,
});

const load = async ({ port, method, targets, connections, seconds, perSecond }: LoadRequest) => {
  const requests = targets.map((target) => encode(method, target));
  const tally: Tally = { failed: 0, samples: [] };
  const begin = performance.now();
  const deadline = begin + seconds * 1000;
  let sent = 0;
  const next = (): Turn => {
    const now = performance.now();
    const due = perSecond === undefined ? now : begin + (1000 * sent) / perSecond;
    // Each connection sends at least one.
    if (sent >= connections && Math.max(now, due) >= deadline) return { request: undefined, waitMs: 0 };
    const request = requests[sent % requests.length];
    sent += 1;
    return { request, waitMs: due - now };
  };
  await Promise.all(Array.from({ length: connections }, () => loadConnection(port, next, tally)));
  const elapsed = (performance.now() - begin) / 1000;
  const { failed, samples } = tally;
  const answered = samples.length;
  return { answered, perSecond: rounded(answered / elapsed), failed, timing: timingOf(samples) };
};

process.on("message", async (message: unknown) => {
  if (!Value.Check(LoadRequest, message)) throw new Error("not a load");
  process.send?.(await load(message));
});
