#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The entry of `kubectl hsm`: kubectl runs the program kubectl-hsm on PATH with what follows `hsm`.
import { runKubectlHsm } from "./kubectl-hsm/main.ts";

// A reader that is gone is found out by the writes; without listeners it would end the process at once.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

try {
  process.exitCode = await runKubectlHsm(process.argv.slice(2), process.env, process);
} catch (error) {
  // A stack trace shows places in the code, and its message might show more.
  const where = error instanceof Error ? (error.stack ?? "").split("\n").slice(1).join("\n") : "";
  process.stderr.write(
    `error: a fault of kubectl hsm itself (${error instanceof Error ? error.name : "unknown"})\n${where}\n`,
  );
  process.exitCode = 70;
}
// Something that is still open, such as a connection that does not end, must not keep the shell waiting.
process.exit();
