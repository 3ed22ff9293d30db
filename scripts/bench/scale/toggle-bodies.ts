// SPDX-License-Identifier: Apache-2.0
// Builds the bodies of syncs of Toggles that are off, as Metacontroller 4.17.2 sends them: copies of a recorded one with other names.
import { readFileSync } from "node:fs";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { assess, sync, ToggleSyncRequest } from "../../../hooks/toggle/index.ts";

const RECORDED = new URL(
  "../../../test/fixtures/metacontroller-4.17.2/toggle-sync-disabled-at-zero.json",
  import.meta.url,
);
const Recording = Type.Object({ body: Type.Unknown() });
const CONTEXT = { now: "2026-01-01T00:00:00Z", templates: false, startTimeoutSeconds: 600 };

/** Of `count` Toggles, whose statuses say already what there is. */
export const toggleSyncs = (count: number): string[] => {
  const recording: unknown = JSON.parse(readFileSync(RECORDED, "utf8"));
  if (!Value.Check(Recording, recording)) throw new Error("not a recording");
  const { body } = recording;
  if (!Value.Check(ToggleSyncRequest, body)) throw new Error("not a sync request");
  for (let round = 0; round < 3; round += 1) {
    body.parent.status = sync(assess(body, CONTEXT)).response.status ?? {};
  }
  const text = JSON.stringify(body);
  const { uid } = body.parent.metadata;
  return Array.from({ length: count }, (_, index) =>
    text
      .replaceAll("clawdbot", `t${index}`)
      .replaceAll(uid, `${uid.slice(0, -12)}${String(index).padStart(12, "0")}`),
  );
};
