// SPDX-License-Identifier: Apache-2.0
// Sends the bot's answers to rooms, encrypted where the room is.
import { Type } from "@sinclair/typebox";
import { type Answer, type Chat, SendRefused, type Thread } from "../bot/chat.ts";
import { compileSchema } from "../http/validation.ts";
import type { Sleep } from "../time.ts";
import type { AuthorizedRequests } from "./authorized-requests.ts";
import { bounded, html } from "./bounded-text.ts";
import type { MatrixAnswer, MatrixFault } from "./http.ts";
import { isTransient, RequestFailed, retryAfterOf } from "./request-failed.ts";
import type { RoomEncryption } from "./room-encryption.ts";
import type { Rooms } from "./rooms.ts";
import { createSendOrder, type Job, type Sent, URGENCY } from "./send-order.ts";

export type ChatOptions = {
  requests: Pick<AuthorizedRequests, "request">;
  rooms: Rooms;
  crypto: Pick<RoomEncryption, "encrypt" | "flush">;
  /** Milliseconds, monotonic. */
  now: () => number;
  sleep: Sleep;
  signal: AbortSignal;
};

const SentEvent = compileSchema(Type.Object({ event_id: Type.String() }));

const TIMEOUT_MS = 20_000;
/** A homeserver that wants to be left alone for longer fails the call. */
const MAX_LIMIT_MS = 60_000;

/**
 * Its calls throw RequestFailed where the homeserver did not take the message, or may not have: they are to be repeated with
 * the same transaction. Here only a limit is waited for (M_LIMIT_EXCEEDED), because the homeserver says for how long.
 */
export const createChat = (options: ChatOptions): Chat => {
  const { requests, rooms, crypto, now, signal } = options;
  const order = createSendOrder(options);

  const put = async (
    room: string,
    type: string,
    content: unknown,
    transaction: string,
  ): Promise<Sent<string>> => {
    const sentAt = now();
    const answer = await requests.request({
      method: "PUT",
      path: `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/${type}/${encodeURIComponent(transaction)}`,
      body: content,
      timeoutMs: TIMEOUT_MS,
      signal,
    });
    if (answer.ok) return { value: sentId(answer) };
    const limit = limitOf(answer);
    if (limit === undefined || signal.aborted) throw new RequestFailed(answer);
    // The homeserver counts from when it was asked; Synapse answers half a second later.
    return { limitedFor: Math.max(0, limit - (now() - sentAt)) };
  };

  const message = async (room: string, content: object, transaction: string): Promise<Sent<string>> => {
    const isEncrypted = await rooms.isEncrypted(room);
    const type = "m.room.message";
    const body = isEncrypted ? await crypto.encrypt(room, type, content) : content;
    // The keys have to be on the disk before what depends on them is out, and so has what is written down of the message.
    await crypto.flush();
    return put(room, isEncrypted ? "m.room.encrypted" : type, body, transaction);
  };

  /** Undefined where it is optional, and left out. */
  const run = (
    room: string,
    urgency: Job<string>["urgency"],
    send: Job<string>["send"],
  ): Promise<string | undefined> => translated(order.run({ room, urgency, send }));

  return {
    async send(room, text, transaction, thread) {
      const id = await run(
        room,
        () => URGENCY.answer,
        () => {
          const content = notice(typeof text === "string" ? text : text());
          return message(room, { ...content, ...(thread !== undefined && inThread(thread)) }, transaction);
        },
      );
      if (id === undefined) throw new Error("an answer was left out");
      return { room, id };
    },
    async tell(room, { text, mentions }, transaction, thread) {
      const id = await run(
        room,
        () => URGENCY.news,
        async () => {
          const newest = text();
          if (newest === undefined) return { value: "" };
          const content = { ...mention(newest, mentions), ...(thread !== undefined && inThread(thread)) };
          return message(room, content, transaction);
        },
      );
      return id === undefined || id === "" ? undefined : { room, id };
    },
    async echo(room, text, transaction) {
      await run(
        room,
        () => URGENCY.optional,
        async () => {
          const newest = text();
          return newest === undefined ? { value: "" } : message(room, notice(newest), transaction);
        },
      );
    },
    // Reactions are not encrypted: homeservers count them.
    async react({ room, id }, emoji, transaction) {
      await run(
        room,
        () => URGENCY.optional,
        () => put(room, "m.reaction", annotation(id, emoji), transaction),
      );
    },
    async edit({ room, id }, edit, transaction) {
      const { text, isLast } = typeof edit === "string" ? { text: () => edit, isLast: () => true } : edit;
      await run(
        room,
        () => (isLast() ? URGENCY.lastEdit : URGENCY.edit),
        async () => {
          const newest = text();
          return newest === undefined ? { value: "" } : message(room, replacement(id, newest), transaction);
        },
      );
    },
  };
};

/** What the homeserver refuses for good comes out as SendRefused. */
const translated = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    const { fault } = error;
    throw fault.kind === "matrix" && !isTransient(fault) ? new SendRefused(fault.errcode) : error;
  }
};

const sentId = ({ status, body }: Extract<MatrixAnswer, { ok: true }>): string => {
  if (SentEvent.Check(body)) return body.event_id;
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
const notice = (text: string) => ({ msgtype: "m.notice", body: bounded(text), "m.mentions": {} });

const pill = (user: string): string =>
  `<a href="https://matrix.to/#/${encodeURIComponent(user)}">${html(user)}</a>`;

/**
 * A message that notifies `users`. It is no notice: the rule .m.rule.suppress_notices comes before the one for mentions, and
 * would keep it from them. https://spec.matrix.org/latest/client-server-api/#predefined-rules
 */
const mention = (text: string, users: readonly string[]) => ({
  msgtype: "m.text",
  body: `${users.join(", ")}: ${bounded(text)}`,
  format: "org.matrix.custom.html",
  formatted_body: `${users.map(pill).join(", ")}: ${html(bounded(text))}`,
  "m.mentions": { user_ids: users },
});

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
  ...notice(`* ${bounded(text)}`),
  "m.new_content": notice(text),
  "m.relates_to": { rel_type: "m.replace", event_id: id },
});
