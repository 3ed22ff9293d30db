// SPDX-License-Identifier: Apache-2.0
// Detects replayed messages: remembers which event carried each encrypted message, so that a homeserver can't send an old one
// again.
import { createHash } from "node:crypto";
import { Type } from "@sinclair/typebox";
import type { BotStore } from "../bot/store.ts";
import { compileSchema } from "../http/validation.ts";
import type { TimelineEvent } from "./sync-response.ts";

/**
 * The crypto crate decrypts a message as often as it comes, whatever event it comes in, and the event's id and time are the
 * homeserver's word. What is authenticated is its place in its session: one place is one message.
 * https://gitlab.matrix.org/matrix-org/olm/blob/master/docs/megolm.md#message-replays
 */
export type MessageReplays = {
  /**
   * To be asked of an event that was decrypted. True where its message came before in another event, or at another time; false
   * for the first event, and for the same one when it is delivered again.
   */
  isReplay(event: TimelineEvent): boolean;
};

const Encrypted = compileSchema(Type.Object({ session_id: Type.String(), ciphertext: Type.String() }));

/** Behind the version's byte: protobuf's tag of the message index, which is a varint. */
const INDEX_TAG = 0x08;
const MOST_INDEX_BYTES = 5;

/** The message's index in its session; undefined where the text is no Megolm message. */
const indexOf = (ciphertext: string): number | undefined => {
  const bytes = Buffer.from(ciphertext.slice(0, 16), "base64").subarray(1);
  if (bytes[0] !== INDEX_TAG) return undefined;
  let index = 0;
  for (const [place, byte] of bytes.subarray(1, 1 + MOST_INDEX_BYTES).entries()) {
    index += (byte & 0x7f) * 2 ** (7 * place);
    if (byte < 0x80) return index;
  }
  return undefined;
};

/** A row for each message of those who may command the bot: few, and gone with the device's keys. */
export const createMessageReplays = (store: BotStore): MessageReplays => ({
  isReplay({ content, event_id: id, origin_server_ts: sentAt }) {
    const index = Encrypted.Check(content) ? indexOf(content.ciphertext) : undefined;
    // It was decrypted, so this does not happen; and what can't be recognised again is not obeyed.
    if (index === undefined) return true;
    const key = `${content.session_id} ${index}`;
    const event = createHash("sha256").update(`${sentAt} ${id}`).digest().subarray(0, 16);
    const known = store.get("received", key);
    // It reaches the disk with the next write that waits for it: before the command switches anything or is answered.
    if (known === undefined) store.put("received", key, event, "soon");
    return known !== undefined && !event.equals(known);
  },
});
