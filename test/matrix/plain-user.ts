// SPDX-License-Identifier: Apache-2.0
// Simulates a user of the client-server API without encryption, for events that a good client would not send.
import { randomUUID } from "node:crypto";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { request } from "undici";
import type { Homeserver, RegisteredUser } from "../../scripts/homeserver/synapse.ts";
import { ANSWER_LIMITS } from "../../scripts/local/answer-limits.ts";

const LoggedIn = Type.Object({ access_token: Type.String() });
const Room = Type.Object({ room_id: Type.String() });
const Sent = Type.Object({ event_id: Type.String() });
const Event = Type.Object({
  event_id: Type.String(),
  type: Type.String(),
  sender: Type.String(),
  content: Type.Record(Type.String(), Type.Unknown()),
});
const Messages = Type.Object({ chunk: Type.Array(Event) });
const Members = Type.Object({ joined: Type.Record(Type.String(), Type.Unknown()) });

export type PlainUser = {
  readonly userId: string;
  /** One call of the client-server API, below /_matrix/client/v3/. @throws Error when it is not answered with 200 */
  call(method: "GET" | "POST" | "PUT", path: string, body?: object): Promise<unknown>;
  room(invited: readonly string[], options?: { encrypted?: boolean }): Promise<string>;
  /** The id of the event. */
  send(room: string, content: object, type?: string): Promise<string>;
  say(room: string, text: string): Promise<string>;
  /** The room's events, the oldest first. */
  events(
    room: string,
  ): Promise<{ event_id: string; type: string; sender: string; content: Record<string, unknown> }[]>;
  joined(room: string): Promise<string[]>;
};

const ENCRYPTION = {
  type: "m.room.encryption",
  state_key: "",
  content: { algorithm: "m.megolm.v1.aes-sha2" },
};

export const plainUser = async (
  homeserver: Homeserver,
  { userId, password }: RegisteredUser,
): Promise<PlainUser> => {
  let accessToken: string | undefined;
  const call: PlainUser["call"] = async (method, path, json) => {
    const { statusCode, body } = await request(`${homeserver.baseUrl}/_matrix/client/v3/${path}`, {
      ...ANSWER_LIMITS,
      method,
      headers: accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` },
      ...(json && { body: JSON.stringify(json) }),
    });
    const answer: unknown = await body.json();
    if (statusCode !== 200) throw new Error(`${method} ${path}: ${statusCode} ${JSON.stringify(answer)}`);
    return answer;
  };
  const identifier = { type: "m.id.user", user: userId };
  accessToken = Value.Decode(
    LoggedIn,
    await call("POST", "login", { type: "m.login.password", identifier, password }),
  ).access_token;
  const send: PlainUser["send"] = async (room, content, type = "m.room.message") => {
    const path = `rooms/${encodeURIComponent(room)}/send/${type}/${randomUUID()}`;
    return Value.Decode(Sent, await call("PUT", path, content)).event_id;
  };
  return {
    userId,
    call,
    async room(invite, { encrypted = false } = {}) {
      const body = { invite, preset: "private_chat", ...(encrypted && { initial_state: [ENCRYPTION] }) };
      return Value.Decode(Room, await call("POST", "createRoom", body)).room_id;
    },
    send,
    say: (room, body) => send(room, { msgtype: "m.text", body }),
    async events(room) {
      const path = `rooms/${encodeURIComponent(room)}/messages?dir=b&limit=100`;
      return Value.Decode(Messages, await call("GET", path)).chunk.reverse();
    },
    async joined(room) {
      const path = `rooms/${encodeURIComponent(room)}/joined_members`;
      return Object.keys(Value.Decode(Members, await call("GET", path)).joined);
    },
  };
};
