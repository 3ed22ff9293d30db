// SPDX-License-Identifier: Apache-2.0
// Tests the capacities in docs/storage.md against the agent's write plans.
import { readFileSync } from "node:fs";
import t from "tap";
import { quirksOf } from "../../../server/agent/pkcs11/child/module-quirks.ts";
import type { TokenObject } from "../../../server/agent/storage/path.ts";
import { planWrite, type TokenLimits } from "../../../server/agent/storage/write-plan.ts";
import type { Layout } from "../../../server/agent-api/schema.ts";
import { someKeys } from "../pkcs11/kill-points.ts";

const ROOM =
  readFileSync(new URL("../../../docs/storage.md", import.meta.url), "utf8").split("## Room")[1] ?? "";
const numberIn = (pattern: RegExp): number => Number((pattern.exec(ROOM)?.[1] ?? "").replace(",", ""));

const limit = numberIn(/leaves (\d+) data objects/);
const quirks = quirksOf("OpenSC Project", "auto");
const metadata = { createdAt: "2026-01-01T00:00:00Z" };

/** The objects of one more secret beside `used` others, in place of `objects`; undefined where it is refused. */
const made = (
  layout: Layout,
  data: ReadonlyMap<string, Uint8Array>,
  used: number,
  objects: readonly TokenObject[] = [],
): TokenObject[] | undefined => {
  const limits: TokenLimits = {
    maxObjectBytes: numberIn(/([\d,]+) with 6\.6/),
    objects: { limit, fromBytes: 0, source: "module" },
  };
  const content = { data, metadata, layout, version: objects.length === 0 ? 1 : 2 };
  const plan = planWrite({ path: "secrets/shop/db", objects, content, used, limits, ways: quirks });
  return plan.kind === "plan" ? plan.make : undefined;
};

for (const { layout, names, bytes, row } of [
  { layout: "packed", names: ["a"], bytes: 3_800, row: "packed secrets of up to 3.8 kB" },
  { layout: "per-key", names: ["a", "b"], bytes: 24, row: "per-key secrets of 2 keys" },
] as const) {
  t.test(row, async (t) => {
    let used = 0;
    let fit = 0;
    let replaceable = 0;
    for (;;) {
      const objects = made(layout, someKeys(names, bytes), used);
      if (objects === undefined) break;
      fit += 1;
      used += objects.length;
      if (made(layout, someKeys(names, bytes), used, objects) !== undefined) replaceable = fit;
    }
    t.match(ROOM, `| ${row} | ${fit} | ${replaceable} |`);
  });
}

t.test("what the module shows less one place and three objects of its own", async (t) => {
  t.equal(numberIn(/its table has (\d+) places/), quirks.shownObjects);
  t.equal(limit, (quirks.shownObjects ?? 0) - 1 - 3);
});
