// SPDX-License-Identifier: Apache-2.0
// Sends news of a Toggle to the room that switched it last: each once, mentioning who switched.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { Access } from "./access.ts";
import type { Chat } from "./chat.ts";
import { type Sending, transactionOf } from "./outbox.ts";
import { sendNews } from "./send-news.ts";
import type { Place } from "./switch-rooms.ts";

export type RoomNewsOptions = {
  readonly chat: Pick<Chat, "tell">;
  readonly access: Pick<Access, "mayUse">;
  readonly sending: Sending;
  /** Takes work under way, which may fail. */
  track(work: Promise<void>): void;
};

export type RoomNewsItem = {
  readonly toggle: Toggle;
  readonly place: Place;
  /** What the news are, the same whenever they are sent again: for the transaction. */
  readonly key: string;
  readonly part: "expiring" | "expired" | "changed" | "scheduled" | "elsewhere";
  /** How long it is tried. Milliseconds. */
  readonly forMs: number;
  /** Asked for when it is sent; undefined where it is no news any more. */
  text(): string | undefined;
};

export type RoomNews = {
  /**
   * Tells `item`, unless that is under way. `then` has the event's id, undefined where it was not sent and won't be. It is not
   * called where the process stops: the same is to be told after the next start.
   */
  tell(item: RoomNewsItem, then: (event: string | undefined) => void): void;
};

export const createRoomNews = ({ chat, access, sending, track }: RoomNewsOptions): RoomNews => {
  const underWay = new Set<string>();
  const send = ({ place, text, forMs }: RoomNewsItem, transaction: string) => {
    const { room, user, thread } = place;
    const where = thread !== undefined && { thread: { root: thread, after: thread } };
    return sendNews({ chat, sending }, { room, user, transaction, forMs, ...where }, text);
  };
  return {
    tell(item, then) {
      const { key, part, place, toggle } = item;
      const transaction = transactionOf(key, part);
      if (underWay.has(transaction)) return;
      // The room may have lost the Toggle since, or the user.
      if (!access.mayUse(toggle, { sender: place.user, room: place.room })) return then(undefined);
      underWay.add(transaction);
      const work = async () => {
        try {
          const sent = await send(item, transaction);
          if (!sending.stopped) then(sent?.id);
        } finally {
          underWay.delete(transaction);
        }
      };
      track(work());
    },
  };
};
