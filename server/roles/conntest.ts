// SPDX-License-Identifier: Apache-2.0
// Runs conntest with the arguments after its name, and exits with what it answers.
import type { Environment } from "../config/variables.ts";
import { runConntest } from "../conntest/main.ts";
import { standardStreams } from "./standard-streams.ts";

export const start = async (env: Environment, args: readonly string[]): Promise<void> => {
  process.exitCode = await runConntest(args, env, standardStreams);
};
