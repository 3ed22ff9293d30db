// SPDX-License-Identifier: Apache-2.0
// Which token file of the agent allows what.
import type { AgentConfig } from "../config/agent.ts";
import type { AuthOptions } from "../http/auth.ts";

/** The token files of the configuration with their scopes: who may write may read. */
export const agentTokenFiles = ({
  readTokenFile,
  writeTokenFile,
}: Pick<AgentConfig, "readTokenFile" | "writeTokenFile">): AuthOptions["tokenFiles"] => [
  ...(readTokenFile === undefined
    ? []
    : [{ variable: "READ_TOKEN_FILE", path: readTokenFile, scopes: ["read" as const] }]),
  ...(writeTokenFile === undefined
    ? []
    : [{ variable: "WRITE_TOKEN_FILE", path: writeTokenFile, scopes: ["read" as const, "write" as const] }]),
];
