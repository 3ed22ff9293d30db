// SPDX-License-Identifier: Apache-2.0
// Sends the bot's answers to rooms, encrypted where the room is, in order within each room.

import { Type } from "@sinclair/typebox";
import type { Answer, Chat, Thread } from "../bot/chat.ts";
import { compileSchema } from "../http/validation.ts";
import { createKeyedQueue } from "../queue.ts";
import type { Sleep } from "../time.ts";
import type { AuthorizedRequests } from "./authorized-requests.ts";
import type { MatrixAnswer, MatrixFault } from "./http.ts";
import { RequestFailed, retryAfterOf } from "./request-failed.ts";
import type { RoomEncryption } from "./room-encryption.ts";
import type { Rooms } from "./rooms.ts";

export type ChatOptions = {
  requests: Pick<AuthorizedRequests, "request">;
  rooms: Rooms;
  crypto: Pick<RoomEncryption, "encrypt" | "flush">;
  sleep: Sleep;
  signal: AbortSignal;
};

const Sent = compileSchema(Type.Object({ event_id: Type.String() }));

const TIMEOUT_MS = 20_000;
/** A homeserver that wants to be left alone for longer fails the call. */
const MAX_LIMIT_MS = 60_000;

/**
 * Its calls throw RequestFailed where the homeserver did not take the message, or may not have: they are to be repeated with
 * the same transaction. Here only a limit is waited for (M_LIMIT_EXCEEDED), because the homeserver says for how long.
 */
export const createChat = (options: ChatOptions): Chat => {
  const { requests, rooms, crypto, sleep, signal } = options;
  /** A room takes one message at a time. */
  const queue = createKeyedQueue();

  const put = async (room: string, type: string, content: unknown, transaction: string): Promise<string> => {
    for (;;) {
      const answer = await requests.request({
        method: "PUT",
        path: `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/${type}/${encodeURIComponent(transaction)}`,
        body: content,
        timeoutMs: TIMEOUT_MS,
        signal,
      });
      if (answer.ok) return sentId(answer);
      const limit = limitOf(answer);
      if (limit === undefined || signal.aborted) throw new RequestFailed(answer);
      await sleep(limit, signal);
    }
  };

  const sendContent = async (room: string, content: object, transaction: string): Promise<string> => {
    const type = "m.room.message";
    if (!(await rooms.isEncrypted(room))) return put(room, type, content, transaction);
    const encrypted = await crypto.encrypt(room, type, content);
    // The keys have to be on the disk before what depends on them is out.
    await crypto.flush();
    return put(room, "m.room.encrypted", encrypted, transaction);
  };

  return {
    send: (room, text, transaction, thread) =>
      queue.run(room, async () => {
        const content = { ...notice(text), ...(thread !== undefined && inThread(thread)) };
        return { room, id: await sendContent(room, content, transaction) };
      }),
    // Reactions are not encrypted: homeservers count them.
    react: ({ room, id }, emoji, transaction) =>
      queue.run(room, async () => {
        await put(room, "m.reaction", annotation(id, emoji), transaction);
      }),
    edit: ({ room, id }, text, transaction) =>
      queue.run(room, async () => {
        await sendContent(room, replacement(id, text), transaction);
      }),
  };
};

const sentId = ({ status, body }: Extract<MatrixAnswer, { ok: true }>): string => {
  if (Sent.Check(body)) return body.event_id;
  throw new RequestFailed({ ok: false, kind: "not-json", status });
};

/** How long the homeserver wants to be left alone, where that is what it says and not too long. Milliseconds. */
const limitOf = (fault: MatrixFault): number | undefined => {
  if ((fault.kind !== "matrix" && fault.kind !== "http") || fault.status !== 429) return undefined;
  const limit = retryAfterOf(fault) ?? 1000;
  return limit > MAX_LIMIT_MS ? undefined : limit;
};

/**
 * It mentions nobody, and says so: without that, clients look for names and `@room` in the text, which may cite a message.
 * https://spec.matrix.org/latest/client-server-api/#user-and-room-mentions
 */
const notice = (text: string) => ({ msgtype: "m.notice", body: text, "m.mentions": {} });

/** https://spec.matrix.org/latest/client-server-api/#threading; clients without threads show a reply. */
const inThread = ({ root, after }: Thread) => ({
  "m.relates_to": {
    rel_type: "m.thread",
    event_id: root,
    is_falling_back: true,
    "m.in_reply_to": { event_id: after },
  },
});

/** https://spec.matrix.org/latest/client-server-api/#event-annotations-and-reactions */
const annotation = (id: Answer["id"], key: string) => ({
  "m.relates_to": { rel_type: "m.annotation", event_id: id, key },
});

/** https://spec.matrix.org/latest/client-server-api/#event-replacements; clients that can't edit show the body. */
const replacement = (id: Answer["id"], text: string) => ({
  ...notice(`* ${text}`),
  "m.new_content": notice(text),
  "m.relates_to": { rel_type: "m.replace", event_id: id },
});
