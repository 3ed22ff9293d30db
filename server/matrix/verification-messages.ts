// SPDX-License-Identifier: Apache-2.0
// Sends the events of verifications to devices and to rooms, encrypted where the room is.
import { Type } from "@sinclair/typebox";
import type { Logger } from "pino";
import { compileSchema } from "../http/validation.ts";
import { jsonOf } from "../json.ts";
import type { Sleep } from "../time.ts";
import type { AuthorizedRequests } from "./authorized-requests.ts";
import type { VerificationMessage } from "./crypto/verification-access.ts";
import { describeFault } from "./http.ts";
import { persist } from "./persistent-request.ts";
import type { RoomEncryption } from "./room-encryption.ts";
import type { Rooms } from "./rooms.ts";

export type SendingOptions = {
  readonly requests: Pick<AuthorizedRequests, "request" | "userId">;
  readonly rooms: Pick<Rooms, "isEncrypted" | "members">;
  readonly crypto: Pick<RoomEncryption, "encrypt" | "flush">;
  readonly sleep: Sleep;
  readonly signal: AbortSignal;
  readonly logger: Pick<Logger, "info" | "warn">;
};

const TIMEOUT_MS = 20_000;

/** Rooms that are looked at for one with a user alone. */
const MOST_ROOMS = 20;

const Content = compileSchema(Type.Object({}, { additionalProperties: Type.Unknown() }));
const Joined = compileSchema(Type.Object({ joined_rooms: Type.Array(Type.String()) }));

/** One that the homeserver does not take is logged: the verification then ends by its time. @throws RequestFailed */
export const sendVerification = async (
  options: SendingOptions,
  message: VerificationMessage,
): Promise<void> => {
  const { requests, signal, logger } = options;
  const { path, body } = await addressed(options, message);
  const answer = await persist(options, () =>
    requests.request({
      method: "PUT",
      path: `/_matrix/client/v3/${path}`,
      body,
      timeoutMs: TIMEOUT_MS,
      signal,
    }),
  );
  if (answer?.ok !== false) return;
  const reason = `The homeserver ${describeFault(answer)}.`;
  logger.warn({ room: message.room, reason }, "a step of a verification was not sent");
};

const addressed = async (
  { rooms, crypto }: SendingOptions,
  { room, eventType, txnId, body }: VerificationMessage,
): Promise<{ path: string; body: unknown }> => {
  const transaction = encodeURIComponent(txnId);
  const content = jsonOf(Buffer.from(body));
  if (!Content.Check(content)) throw new Error("the content of a verification is no object");
  if (room === undefined) {
    const messages = "messages" in content ? content.messages : content;
    return { path: `sendToDevice/${eventType}/${transaction}`, body: { messages } };
  }
  const path = `rooms/${encodeURIComponent(room)}/send`;
  if (!(await rooms.isEncrypted(room))) return { path: `${path}/${eventType}/${transaction}`, body: content };
  const encrypted = await crypto.encrypt(room, eventType, content);
  // The keys have to be on the disk before what depends on them is out.
  await crypto.flush();
  return { path: `${path}/m.room.encrypted/${transaction}`, body: encrypted };
};

/** A room with nobody but the bot and `user`; undefined where none is found. @throws RequestFailed */
export const directRoomWith = async (
  { requests, rooms, signal }: SendingOptions,
  user: string,
): Promise<string | undefined> => {
  const path = "/_matrix/client/v3/joined_rooms";
  const answer = await requests.request({ method: "GET", path, timeoutMs: TIMEOUT_MS, signal });
  if (!answer.ok || !Joined.Check(answer.body)) return undefined;
  for (const room of answer.body.joined_rooms.slice(0, MOST_ROOMS)) {
    const members = await rooms.members(room);
    if (members.length === 2 && members.includes(user)) return room;
  }
  return undefined;
};
