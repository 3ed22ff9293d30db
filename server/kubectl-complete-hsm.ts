#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The entry of the program kubectl_complete-hsm, which kubectl runs to complete `kubectl hsm`.
import { runKubectlHsm } from "./kubectl-hsm/main.ts";

process.stdout.on("error", () => {});
process.exitCode = await runKubectlHsm(
  ["__complete_for_kubectl", ...process.argv.slice(2)],
  process.env,
  process,
);
process.exit();
