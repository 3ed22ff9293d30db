// SPDX-License-Identifier: Apache-2.0
// Maps the configuration's bearer token files to the scopes of the HTTP API.
import { type AuthOptions, tokenFile } from "../http/auth.ts";
import type { AgentConfig } from "./config.ts";

/** The configured files with their scopes: who may write may read. */
export const bearerTokenFiles = ({
  readTokenFile,
  writeTokenFile,
}: Pick<AgentConfig, "readTokenFile" | "writeTokenFile">): AuthOptions["tokenFiles"] => [
  ...tokenFile("READ_TOKEN_FILE", readTokenFile, "read"),
  ...tokenFile("WRITE_TOKEN_FILE", writeTokenFile, "read", "write"),
];
