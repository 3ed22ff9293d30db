// SPDX-License-Identifier: Apache-2.0
// Serves late-failures.test.ts as a faulty test file: it waits between its tests, and tap ends it meanwhile because it has a
// teardown.
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";

t.teardown(() => {});
t.test("in time", async (t) => t.pass("this one is run"));
await sleep(500);
t.test("too late", async (t) => t.fail("this one is not run"));
