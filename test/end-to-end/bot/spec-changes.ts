// SPDX-License-Identifier: Apache-2.0
// Records every change of a Toggle's spec from a watch of the API server, to detect a switch that was done twice.
import { createInterface } from "node:readline";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Test } from "tap";
import { request } from "undici";
import { createNotifier } from "../../../scripts/local/notifier.ts";

type SpecChange = {
  readonly generation: number;
  readonly enabled: boolean;
  /** RFC 3339, where the switch was for a time. */
  readonly until: string | undefined;
  /** What spec.reason says after it. */
  readonly reason: string | undefined;
};

export type SpecChanges = {
  /** All since the watch began, in their order; each has the next generation. */
  readonly all: readonly SpecChange[];
  /** Resolves at the first change, before or after the call, that has this reason. @throws Error when there is none in time */
  withReason(reason: string): Promise<void>;
  /** Why the record is not complete, if it is not. */
  fault(): string | undefined;
};

const WatchEvent = Type.Object({
  type: Type.Union([Type.Literal("ADDED"), Type.Literal("MODIFIED")]),
  object: Type.Object({
    metadata: Type.Object({ generation: Type.Integer() }),
    spec: Type.Object({
      enabled: Type.Optional(Type.Boolean()),
      until: Type.Optional(Type.String()),
      reason: Type.Optional(Type.String()),
    }),
  }),
});

/** Answers once the watch is up; what was before it is not recorded. It ends with `t`. */
export const recordSpecChanges = async (
  t: Test,
  { apiUrl, namespace, name }: { apiUrl: string; namespace: string; name: string },
): Promise<SpecChanges> => {
  const path = `/apis/toggle.j5t.io/v1alpha1/namespaces/${namespace}/toggles`;
  const ending = new AbortController();
  const { body } = await request(`${apiUrl}${path}?watch=true&fieldSelector=metadata.name%3D${name}`, {
    signal: ending.signal,
    bodyTimeout: 0,
  });
  const all: SpecChange[] = [];
  const notifier = createNotifier();
  let known: number | undefined;
  let fault: string | undefined;
  const take = (line: string) => {
    const event: unknown = JSON.parse(line);
    if (!Value.Check(WatchEvent, event)) {
      fault ??= "the watch told something else than a Toggle that is there";
      return;
    }
    const { metadata, spec } = event.object;
    const { generation } = metadata;
    if (known === undefined) {
      known = generation;
      notifier.notify();
    }
    if (generation === known) return;
    if (generation !== known + 1) fault ??= `generation ${generation} came after ${known}`;
    known = generation;
    all.push({ generation, enabled: spec.enabled ?? true, until: spec.until, reason: spec.reason });
    notifier.notify();
  };
  const lines = createInterface({ input: body });
  lines.on("line", take);
  const end = () => {
    fault ??= "the watch has ended";
    notifier.notify();
  };
  lines.on("close", end);
  lines.on("error", end);
  t.teardown(() => ending.abort());
  await notifier.until("the watch tells of the Toggle", () => known !== undefined || fault !== undefined);
  return {
    all,
    fault: () => fault,
    async withReason(reason) {
      const isThere = () => all.some((change) => change.reason === reason);
      const seen = () => `${fault ?? ""}\n${JSON.stringify(all.slice(-5))}`;
      await notifier.until(`a change of the Toggle with the reason ${reason}`, isThere, { seen });
    },
  };
};
