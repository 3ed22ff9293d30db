// SPDX-License-Identifier: Apache-2.0
// Tests that the outage tests' proxy leaves nothing behind that keeps its process from ending.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import t from "tap";

t.test("a process whose proxy was shut while a connection ended can end", async (t) => {
  const file = fileURLToPath(new URL("close-at-exit.ts", import.meta.url));
  const { status, signal, stdout } = spawnSync(process.execPath, [file], {
    encoding: "utf8",
    env: { ...process.env, TAP: "1" },
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  t.match(stdout, /^ok 1 - a proxy that is shut/m);
  t.same({ status, signal }, { status: 0, signal: null });
});
