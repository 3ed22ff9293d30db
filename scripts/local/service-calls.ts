// SPDX-License-Identifier: Apache-2.0
// Sends requests to the agent and the webhook of the local run, with the credentials in their Secrets.
import { Agent, request } from "undici";
import type { Role } from "./stack.ts";

export type Answer = { status: number; body: string };

type Credentials = { readonly dispatcher: Agent; readonly tokens: Readonly<Record<Role, string>> };

/** The first token of a Secret's value, whose lines may have a name before it. */
const firstToken = (value: string): string => value.split("\n")[0]?.split(":").at(-1) ?? "";

/** Reads the credentials at once, and again at each `reread`. `secretOf` decodes a key of a Secret. */
export const openServiceCalls = async (
  urls: Readonly<Record<Role, string>>,
  secretOf: (name: string, key: string) => Promise<string>,
) => {
  const readAll = async (): Promise<Credentials> => {
    const ca = [
      await secretOf("keyswitch-webhook-tls", "ca.crt"),
      await secretOf("keyswitch-agent-tls", "ca.crt"),
    ];
    const tokens = {
      agent: firstToken(await secretOf("keyswitch-agent-token", "read")),
      webhook: await secretOf("keyswitch-hook-token", "token"),
    };
    return { dispatcher: new Agent({ connect: { ca } }), tokens };
  };
  let current = await readAll();
  const send = async (
    url: string,
    bearerToken: string,
    rest: { method?: "PUT" | "DELETE"; body?: object | undefined } = {},
  ): Promise<Answer> => {
    const { statusCode, body } = await request(url, {
      method: rest.method ?? "GET",
      dispatcher: current.dispatcher,
      headers: {
        authorization: `Bearer ${bearerToken}`,
        ...(rest.body !== undefined && { "content-type": "application/json" }),
      },
      ...(rest.body !== undefined && { body: JSON.stringify(rest.body) }),
    });
    return { status: statusCode, body: await body.text() };
  };
  return {
    /** To the role at `origin`; unless given, the one of `urls`. */
    call: (role: Role, path: string, origin = urls[role]) => send(`${origin}${path}`, current.tokens[role]),
    /** To the agent at `origin`, likewise. */
    write: async (method: "PUT" | "DELETE", path: string, body?: object, origin = urls.agent) => {
      const bearerToken = firstToken(await secretOf("keyswitch-agent-token", "write"));
      return send(`${origin}${path}`, bearerToken, { method, body });
    },
    bearer: (role: Role) => current.tokens[role],
    /** After the Secrets have changed: connections that are kept are ended. */
    reread: async (): Promise<void> => {
      const before = current;
      current = await readAll();
      await before.dispatcher.close();
    },
    close: () => current.dispatcher.close(),
  };
};
