// SPDX-License-Identifier: Apache-2.0
// Detects a Megolm message key that has encrypted two messages, which happens when a kill resets a ratchet.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

const Encrypted = Type.Object({
  algorithm: Type.Literal("m.megolm.v1.aes-sha2"),
  session_id: Type.String(),
  ciphertext: Type.String(),
});

export type MessageKeys = {
  /** Takes a request to the homeserver, by its path and body; all but encrypted messages are left out. */
  note(path: string, body: Buffer): void;
  /** Each key as its session and index. */
  usedTwice(): readonly string[];
  count(): number;
};

/** https://gitlab.matrix.org/matrix-org/olm/-/blob/master/docs/megolm.md#message-format: version, then field 1, a varint. */
const indexOf = (ciphertext: string): number => {
  const bytes = Buffer.from(ciphertext, "base64");
  if (bytes[0] !== 3 || bytes[1] !== 8) throw new Error("this is no message of Megolm");
  let index = 0;
  for (let at = 2, shift = 0; ; at += 1, shift += 7) {
    const byte = bytes[at] ?? 0;
    index += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return index;
  }
};

export const createMessageKeys = (): MessageKeys => {
  const keys = new Map<string, Set<string>>();
  return {
    note(path, body) {
      if (!path.includes("/send/m.room.encrypted/")) return;
      const content: unknown = JSON.parse(body.toString("utf8"));
      if (!Value.Check(Encrypted, content)) throw new Error("an encrypted message has another shape");
      const { session_id: session, ciphertext } = content;
      const key = `${session} ${indexOf(ciphertext)}`;
      // The same message sent again is the same ciphertext.
      keys.set(key, (keys.get(key) ?? new Set()).add(ciphertext));
    },
    usedTwice: () => [...keys].flatMap(([key, messages]) => (messages.size > 1 ? [key] : [])),
    count: () => keys.size,
  };
};
