// SPDX-License-Identifier: Apache-2.0
// Runs a process that sends syncs of many objects to one or more webhooks, evenly, and counts answers that are not as expected. It makes
// the bodies itself: those of 10,000 objects are too much for a message.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { encode, loadConnection, type Tally } from "../load-connection.ts";
import { rounded, Timing, timingOf } from "../quantile.ts";
import { foundReading, settledSyncs } from "../sync-bodies.ts";
import { toggleSyncs } from "./toggle-bodies.ts";

/** Each of the first `objects` once (`seconds` 0), or over and over for so long. */
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
  const next = () => {
    const isOver = seconds === 0 ? sent >= objects : sent >= connections && performance.now() >= deadline;
    const request = isOver ? undefined : requests[sent % objects];
    sent += 1;
    return { request, waitMs: 0 };
  };
  const all = Array.from({ length: connections }, (_, at) =>
    loadConnection(ports[at % ports.length] ?? 0, next, tally),
  );
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
