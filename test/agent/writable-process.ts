// SPDX-License-Identifier: Apache-2.0
// Sets up an agent process on a real token that accepts writes, and sends requests as its writer.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Test } from "tap";
import { type AgentProcess, type Fixture, startAgent } from "./pkcs11/token-fixture.ts";

export type WritableProcess = AgentProcess & {
  /** A request with the write token, or with another, or none; a body is sent as JSON. */
  ask(
    method: string,
    path: string,
    options?: { body?: object; token?: string | undefined },
  ): Promise<{ status: number; etag: string | null; json: unknown }>;
};

/** Starts `main.ts agent` with a write token of its own. */
export const startWritableAgent = async (
  t: Test,
  fixture: Fixture,
  settings: NodeJS.ProcessEnv = {},
): Promise<WritableProcess> => {
  const writeToken = randomBytes(24).toString("base64url");
  const tokenFile = join(dirname(fixture.token.pinFile), "write-token");
  writeFileSync(tokenFile, `test:${writeToken}\n`, { mode: 0o600 });
  const agent = await startAgent(t, fixture, { WRITE_TOKEN_FILE: tokenFile, ...settings });
  return {
    ...agent,
    ask: async (method, path, options = {}) => {
      const token = "token" in options ? options.token : writeToken;
      const answer = await fetch(`${agent.url}${path}`, {
        method,
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(options.body && { "content-type": "application/json" }),
        },
        ...(options.body && { body: JSON.stringify(options.body) }),
      });
      const text = await answer.text();
      return {
        status: answer.status,
        etag: answer.headers.get("etag"),
        json: text === "" ? undefined : JSON.parse(text),
      };
    },
  };
};
