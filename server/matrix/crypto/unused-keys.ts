// SPDX-License-Identifier: Apache-2.0
// Remembers across restarts the room keys that were made, and may not have been used yet.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { BotStore } from "../../bot/store.ts";
import { jsonOf } from "../../json.ts";

const UnusedKey = Type.Object({
  /** It is no older. Milliseconds since the epoch; null where that is not known. */
  since: Type.Union([Type.Number(), Type.Null()]),
  /** Milliseconds. */
  period: Type.Number(),
  messages: Type.Number(),
});
export type UnusedKey = Static<typeof UnusedKey>;

export type UnusedKeys = {
  get(room: string): UnusedKey | undefined;
  /** Reaches the disk before anything is sent. Undefined: the key was used. */
  put(room: string, key: UnusedKey | undefined): void;
};

export const notKept: UnusedKeys = { get: () => undefined, put() {} };

const rowOf = (room: string): string => `unused key ${room}`;

export const createUnusedKeys = (store: BotStore): UnusedKeys => ({
  get(room) {
    const bytes = store.get("rooms", rowOf(room));
    const key = bytes && jsonOf(bytes);
    return Value.Check(UnusedKey, key) ? key : undefined;
  },
  put(room, key) {
    store.put("rooms", rowOf(room), JSON.stringify(key ?? null), "soon");
  },
});
