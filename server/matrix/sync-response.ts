// SPDX-License-Identifier: Apache-2.0
// Defines the schema of a /sync response, as far as the bot reads it. https://spec.matrix.org/latest/client-server-api/#syncing
import { type Static, Type } from "@sinclair/typebox";
import { compileSchema } from "../http/validation.ts";

/** Events are checked one by one, where they are used: one that is malformed must not stop all the others. */
const Events = Type.Optional(Type.Object({ events: Type.Optional(Type.Array(Type.Unknown())) }));

const JoinedRoom = Type.Object({
  state: Events,
  timeline: Type.Optional(
    Type.Object({
      events: Type.Optional(Type.Array(Type.Unknown())),
      /** Events are missing between the last sync and the first of `events`. */
      limited: Type.Optional(Type.Boolean()),
      /** Where `events` begins. */
      prev_batch: Type.Optional(Type.String()),
    }),
  ),
});

const InvitedRoom = Type.Object({ invite_state: Events });

const LeftRoom = Type.Object({ timeline: Events });

const Rooms = Type.Object({
  join: Type.Optional(Type.Record(Type.String(), JoinedRoom)),
  invite: Type.Optional(Type.Record(Type.String(), InvitedRoom)),
  leave: Type.Optional(Type.Record(Type.String(), LeftRoom)),
});

const Sync = Type.Object({
  next_batch: Type.String({ minLength: 1 }),
  rooms: Type.Optional(Rooms),
  to_device: Events,
  device_lists: Type.Optional(
    Type.Object({
      changed: Type.Optional(Type.Array(Type.String())),
      left: Type.Optional(Type.Array(Type.String())),
    }),
  ),
  device_one_time_keys_count: Type.Optional(Type.Record(Type.String(), Type.Integer())),
  device_unused_fallback_key_types: Type.Optional(Type.Array(Type.String())),
});

export type SyncResponse = Static<typeof Sync>;
export type JoinedRoom = Static<typeof JoinedRoom>;

export const syncResponse = compileSchema(Sync);

/** A state event; in an invitation it has no event id. */
const State = Type.Object({
  type: Type.String(),
  state_key: Type.String(),
  sender: Type.String(),
  content: Type.Record(Type.String(), Type.Unknown()),
});
export type StateEvent = Static<typeof State>;
export const stateEvent = compileSchema(State);

/** An event of a timeline, encrypted or not. */
const Timeline = Type.Object({
  type: Type.String(),
  event_id: Type.String(),
  sender: Type.String(),
  /** Milliseconds since the epoch, by the sender's homeserver. */
  origin_server_ts: Type.Integer({ minimum: 0 }),
  content: Type.Record(Type.String(), Type.Unknown()),
  state_key: Type.Optional(Type.String()),
  /** Of a redaction: what it takes back. Rooms of version 11 and later have it in the content. */
  redacts: Type.Optional(Type.String()),
});
export type TimelineEvent = Static<typeof Timeline>;
export const timelineEvent = compileSchema(Timeline);

const Member = Type.Object({ membership: Type.String() });
const member = compileSchema(Member);

/** `join`, `invite`, `leave`, `ban` or `knock`, of a m.room.member event. */
export const membershipOf = (event: StateEvent): string | undefined =>
  event.type === "m.room.member" && member.Check(event.content) ? event.content.membership : undefined;
