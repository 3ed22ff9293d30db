// SPDX-License-Identifier: Apache-2.0
// Tests that a soak's goals see a leak, in memory or in what is left open, and that open files are counted by their kind.
import { closeSync, openSync } from "node:fs";
import { createServer } from "node:net";
import t from "tap";
import { openFilesOf } from "../open-files.ts";
import { soakGoals } from "../report-soak.ts";
import type { SoakFigures, SoakMinute } from "../soak.ts";

const minute = (memory: number, sockets = 60, files = 22): SoakMinute => ({
  memory: { webhook: memory, agent: 80, child: 70 },
  webhook: { sockets, files },
  agent: { sockets: 36, files: 44 },
});
const missed = (each: readonly SoakMinute[], wrong = 0): string[] => {
  const figures: SoakFigures = { minutes: each.length, syncs: 1, wrong, unavailable: 0, kills: 1, each };
  return soakGoals(figures)
    .filter(({ met }) => !met)
    .map(({ goal }) => goal);
};

t.test("what grows before minute 2 is not judged, what is off it later is", async (t) => {
  t.same(missed([minute(50, 10, 9), minute(100), minute(109), minute(91)]), []);
  t.match(missed([minute(100), minute(100), minute(111), minute(100)]), [/memory off that of minute 2/]);
  t.match(missed([minute(100), minute(100), minute(89), minute(100)]), [/memory off that of minute 2/]);
  t.same(missed([minute(100), minute(200)]), [], "two minutes have nothing to compare");
});

t.test("open files and sockets of the end are judged", async (t) => {
  t.match(missed([minute(90), minute(90), minute(90, 60, 23)]), [/the webhook's open files at the end/]);
  t.match(missed([minute(90), minute(90), minute(90, 71)]), [/its sockets then/]);
  t.match(missed([minute(90)], 1), [/wrong answers/]);
});

t.test("files and sockets of a process are counted apart", async (t) => {
  const before = openFilesOf([process.pid]);
  const file = openSync("/dev/null", "r");
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const open = openFilesOf([process.pid]);
  closeSync(file);
  server.close();
  t.same(open, { sockets: before.sockets + 1, files: before.files + 1 });
});
