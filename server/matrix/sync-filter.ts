// SPDX-License-Identifier: Apache-2.0
// Defines the filters of the sync requests. https://spec.matrix.org/latest/client-server-api/#filtering

/** State that says who gets keys, whether and how a room is encrypted, and which room has taken its place. */
const STATE_TYPES = ["m.room.member", "m.room.encryption", "m.room.history_visibility", "m.room.tombstone"];

const TIMELINE_TYPES = [
  "m.room.message",
  "m.room.encrypted",
  "m.reaction",
  "m.room.redaction",
  "m.key.verification.*",
  ...STATE_TYPES,
];

const NOTHING = { not_types: ["*"] };

/**
 * All members are asked for, not only those that wrote something (lazy loading): each of them gets the keys of an
 * encrypted answer, and knowing them saves a request before each answer.
 */
export const SYNC_FILTER = {
  presence: NOTHING,
  account_data: NOTHING,
  room: {
    account_data: NOTHING,
    ephemeral: NOTHING,
    state: { types: STATE_TYPES, lazy_load_members: false },
    timeline: { types: TIMELINE_TYPES, limit: 50 },
  },
} as const;

/** Of what a sync left out of a timeline: the same events. */
export const GAP_FILTER = { types: TIMELINE_TYPES, lazy_load_members: false } as const;

/**
 * Invitations and nothing else: they are in every answer without `since`, and are no part of the timeline.
 * @param unique not used before: Synapse gives the same answer for two minutes to what is asked in the same words
 */
export const invitationsFilter = (unique: string) => ({
  presence: NOTHING,
  account_data: NOTHING,
  room: {
    account_data: NOTHING,
    ephemeral: NOTHING,
    state: NOTHING,
    timeline: { ...NOTHING, limit: 1, not_rooms: [`!${unique}:unused.invalid`] },
  },
});
