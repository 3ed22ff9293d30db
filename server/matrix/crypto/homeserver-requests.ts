// SPDX-License-Identifier: Apache-2.0
// Sends the requests that cross-signing makes by itself, through matrix-bot-sdk's client.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { jsonOf } from "../../json.ts";

/** `status` is HTTP's, or 0 when no answer came; `body` is what the JSON says. */
export type HomeserverAnswer = { readonly status: number; readonly body: unknown };

/** `path` is below `/_matrix/client/v3/`. An answer of any status is an answer: nothing is thrown. */
export type HomeserverRequests = (
  method: "GET" | "POST" | "PUT",
  path: string,
  body?: unknown,
) => Promise<HomeserverAnswer>;

/** The method of matrix-bot-sdk's client that everything goes through. */
export type RequestingClient = {
  // The SDK's own type of the answer is any; here it is unknown.
  doRequest(method: string, endpoint: string, query?: null, body?: unknown): Promise<unknown>;
};

/** What the SDK throws when the homeserver refuses. */
const Refusal = Type.Object({ statusCode: Type.Integer(), body: Type.Unknown() });

const parsed = (body: unknown): unknown =>
  typeof body === "string" || Buffer.isBuffer(body) ? jsonOf(body) : body;

export const requestsOf =
  (client: RequestingClient): HomeserverRequests =>
  async (method, path, body) => {
    try {
      return { status: 200, body: await client.doRequest(method, `/_matrix/client/v3/${path}`, null, body) };
    } catch (error) {
      if (Value.Check(Refusal, error)) return { status: error.statusCode, body: parsed(error.body) };
      return { status: 0, body: undefined };
    }
  };
