// SPDX-License-Identifier: Apache-2.0
// Sends a user's events into rooms: texts, edits, reactions, and events as a homeserver could forge them.
import { randomUUID } from "node:crypto";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { MatrixClient } from "matrix-js-sdk";
import { request } from "undici";
import { ANSWER_LIMITS } from "../../local/answer-limits.ts";

/** An event of a room, within the encryption if the room has one. */
type RawEvent = { readonly type: string; readonly content: Readonly<Record<string, unknown>> };

export type Messages = {
  /** Each of these answers with the id of the event that was sent. */
  sendText(room: string, text: string): Promise<string>;
  sendNotice(room: string, text: string): Promise<string>;
  edit(room: string, eventId: string, text: string): Promise<string>;
  react(room: string, eventId: string, key: string): Promise<string>;
  send(room: string, event: RawEvent): Promise<string>;
  /** As a homeserver could forge it: without encryption, in an encrypted room too. */
  sendUnencrypted(room: string, event: RawEvent): Promise<string>;
};

const Sent = Type.Object({ event_id: Type.String() });

const message = (msgtype: string, body: string): RawEvent => ({
  type: "m.room.message",
  content: { msgtype, body },
});

const editOf = (eventId: string, text: string): RawEvent => ({
  type: "m.room.message",
  content: {
    msgtype: "m.text",
    body: `* ${text}`,
    "m.new_content": { msgtype: "m.text", body: text },
    "m.relates_to": { rel_type: "m.replace", event_id: eventId },
  },
});

const reactionTo = (eventId: string, key: string): RawEvent => ({
  type: "m.reaction",
  content: { "m.relates_to": { rel_type: "m.annotation", event_id: eventId, key } },
});

/** The messages of the user whom `client` has logged in with `accessToken`. */
export const messagesOf = (client: MatrixClient, baseUrl: string, accessToken: string): Messages => {
  const send = async (room: string, { type, content }: RawEvent): Promise<string> => {
    // @ts-expect-error: the client's type lists the events that it knows of; a test may send any.
    const { event_id: id } = await client.sendEvent(room, type, content);
    return id;
  };
  return {
    sendText: (room, text) => send(room, message("m.text", text)),
    sendNotice: (room, text) => send(room, message("m.notice", text)),
    edit: (room, eventId, text) => send(room, editOf(eventId, text)),
    react: (room, eventId, key) => send(room, reactionTo(eventId, key)),
    send,
    sendUnencrypted: async (room, { type, content }) => {
      const path = ["rooms", room, "send", type, randomUUID()].map(encodeURIComponent).join("/");
      const { statusCode, body } = await request(`${baseUrl}/_matrix/client/v3/${path}`, {
        method: "PUT",
        headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json" },
        ...ANSWER_LIMITS,
        body: JSON.stringify(content),
      });
      const answer: unknown = await body.json();
      if (statusCode === 200 && Value.Check(Sent, answer)) return answer.event_id;
      throw new Error(`the homeserver answered with ${statusCode}`);
    },
  };
};
