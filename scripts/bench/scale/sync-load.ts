// SPDX-License-Identifier: Apache-2.0
// Runs a process that sends syncs of many objects to one or more webhooks, evenly, and counts answers that are not as expected. It makes
// the bodies itself: those of 10,000 objects are too much for a message.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { encode, loadConnection, type Tally, type Turn } from "../load-connection.ts";
import { rounded, Timing, timingOf } from "../quantile.ts";
import { foundReading, settledSyncs } from "../sync-bodies.ts";
import { toggleSyncs } from "./toggle-bodies.ts";

/**
 * Each of the first `objects` once (`seconds` 0), in equal parts to the ports, or over and over for so long, to whichever answers
 * soonest.
 */
export const SyncLoad = Type.Object({
  kind: Type.Union([Type.Literal("hsmsecret"), Type.Literal("toggle")]),
  keys: Type.Record(Type.String(), Type.String()),
  /** How many bodies are made; those of an earlier load are kept. */
  made: Type.Integer({ minimum: 1 }),
  objects: Type.Integer({ minimum: 1 }),
  ports: Type.Array(Type.Integer(), { minItems: 1 }),
  connections: Type.Integer({ minimum: 1 }),
  seconds: Type.Number({ minimum: 0 }),
});

export const SyncLoaded = Type.Object({
  syncs: Type.Integer(),
  perSecond: Type.Number(),
  failed: Type.Integer(),
  timing: Timing,
});

const made = new Map<string, Buffer[]>();

const requestsOf = (
  kind: "hsmsecret" | "toggle",
  keys: Readonly<Record<string, string>>,
  count: number,
): readonly Buffer[] => {
  const known = made.get(kind);
  if (known !== undefined && known.length >= count) return known;
  const bodies = kind === "toggle" ? toggleSyncs(count) : settledSyncs(count, foundReading(keys)).bodies;
  const requests = bodies.map((body) => encode("POST", { path: `/hooks/${kind}/sync`, body }));
  made.set(kind, requests);
  return requests;
};

process.on("message", async (message: unknown) => {
  if (!Value.Check(SyncLoad, message)) throw new Error("not a load");
  const { kind, keys, objects, ports, connections, seconds } = message;
  const requests = requestsOf(kind, keys, message.made).slice(0, objects);
  const tally: Tally = { failed: 0, samples: [] };
  const begin = performance.now();
  const deadline = begin + seconds * 1000;
  let sent = 0;
  const left = ports.map((_, at) => Math.ceil((objects - at) / ports.length));
  const isOver = (port: number): boolean => {
    if (seconds > 0) return sent >= connections && performance.now() >= deadline;
    left[port] = (left[port] ?? 0) - 1;
    return (left[port] ?? 0) < 0;
  };
  const nextOf = (port: number) => (): Turn => {
    if (isOver(port)) return { request: undefined, waitMs: 0 };
    sent += 1;
    return { request: requests[(sent - 1) % objects], waitMs: 0 };
  };
  const all = Array.from({ length: connections }, (_, at) => {
    const port = at % ports.length;
    return loadConnection(ports[port] ?? 0, nextOf(port), tally);
  });
  await Promise.all(all);
  const elapsed = (performance.now() - begin) / 1000;
  const { failed, samples } = tally;
  process.send?.({
    syncs: samples.length,
    perSecond: rounded(samples.length / elapsed),
    failed,
    timing: timingOf(samples),
  });
});
