// SPDX-License-Identifier: Apache-2.0
// Maps the agent's bearer-token files to scopes.
import { type AuthOptions, tokenFile } from "../http/auth.ts";
import type { AgentConfig } from "./config.ts";

/** The token files of the configuration with their scopes: who may write may read. */
export const agentTokenFiles = ({
  readTokenFile,
  writeTokenFile,
}: Pick<AgentConfig, "readTokenFile" | "writeTokenFile">): AuthOptions["tokenFiles"] => [
  ...tokenFile("READ_TOKEN_FILE", readTokenFile, "read"),
  ...tokenFile("WRITE_TOKEN_FILE", writeTokenFile, "read", "write"),
];
