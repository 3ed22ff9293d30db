// SPDX-License-Identifier: Apache-2.0
// Tests that a test which is created too late to be run fails its file under `npm test`.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import t from "tap";

const project = fileURLToPath(new URL("..", import.meta.url));
const Package = Type.Object({ tap: Type.Object({ "node-arg": Type.Array(Type.String()) }) });

t.test("a file that waits between its tests fails", async (t) => {
  const { tap } = Value.Decode(Package, JSON.parse(readFileSync(`${project}/package.json`, "utf8")));
  const { status, stdout, stderr } = spawnSync(process.execPath, [...tap["node-arg"], "test/late-test.ts"], {
    cwd: project,
    encoding: "utf8",
    env: { ...process.env, TAP: "1" },
  });
  t.match(stdout, /ok 1 - this one is run/);
  t.notMatch(stdout, /this one is not run/);
  t.match(stderr, /cannot create subtest after parent test ends/);
  t.equal(status, 1);
});

t.test("what a test forks is not taken for a test file", async (t) => {
  t.notMatch(process.execArgv.join(" "), "late-failures");
});
