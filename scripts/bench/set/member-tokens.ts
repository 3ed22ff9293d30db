// SPDX-License-Identifier: Apache-2.0
// Makes up the bearer tokens of a set's agents, and sends the requests of who holds one.
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Dispatcher } from "undici";

type Scope = "read" | "write" | "role";
type Method = "GET" | "PUT" | "POST";

export interface MemberTokens {
  file(scope: Scope): string;
  /** The settings that name the files. */
  readonly env: Readonly<Record<"READ_TOKEN_FILE" | "WRITE_TOKEN_FILE" | "ROLE_TOKEN_FILE", string>>;
  /** What a request with the token of `scope` carries. */
  headers(scope: Scope): { authorization: string };
  /** One request; its body is parsed, and empty where there is none. */
  ask(dispatcher: Dispatcher, request: MemberRequest): Promise<{ status: number; body: unknown }>;
}

export interface MemberRequest {
  readonly origin: string;
  readonly method: Method;
  readonly path: string;
  readonly as: Scope;
  readonly body?: object;
  readonly signal?: AbortSignal;
}

/** New tokens, whose files are in `folder`, which this makes. */
export const makeMemberTokens = (folder: string): MemberTokens => {
  mkdirSync(folder);
  const file = (scope: Scope): string => join(folder, scope);
  const tokens = { read: "", write: "", role: "" };
  for (const scope of ["read", "write", "role"] as const) {
    tokens[scope] = randomBytes(24).toString("base64url");
    writeFileSync(file(scope), `${tokens[scope]}\n`, { mode: 0o600 });
  }
  const headers = (scope: Scope) => ({ authorization: `Bearer ${tokens[scope]}` });
  return {
    file,
    headers,
    env: { READ_TOKEN_FILE: file("read"), WRITE_TOKEN_FILE: file("write"), ROLE_TOKEN_FILE: file("role") },
    ask: async (dispatcher, { origin, method, path, as, body, signal }) => {
      const answer = await dispatcher.request({
        origin,
        method,
        path,
        ...(signal !== undefined && { signal }),
        headers: {
          ...headers(as),
          ...(body !== undefined && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await answer.body.text();
      return { status: answer.statusCode, body: text === "" ? {} : JSON.parse(text) };
    },
  };
};
