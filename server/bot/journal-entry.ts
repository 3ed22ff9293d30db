// SPDX-License-Identifier: Apache-2.0
// What the journal keeps of a message, step by step; read back through its schema.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { jsonOf } from "../json.ts";
import { Command } from "./command.ts";

/** The patch of a switch, exactly as it is sent. */
const Patch = Type.Object({
  enabled: Type.Boolean(),
  until: Type.Union([Type.String(), Type.Null()]),
  requestedBy: Type.String(),
  reason: Type.String(),
});

/** A switch that may have been sent: to this Toggle, while it had this generation. */
export const Begun = Type.Object({
  toggle: Type.String(),
  uid: Type.String(),
  generation: Type.Integer(),
  patch: Patch,
});
export type Begun = Static<typeof Begun>;

/** The Toggle whose progress an answer shows, from its generation after the switch until `endsAt` (ms since the epoch). */
export const Following = Type.Object({
  toggle: Type.String(),
  generation: Type.Integer(),
  endsAt: Type.Number(),
});
export type Following = Static<typeof Following>;

/** The answer that can be refreshed: of one Toggle, or of all that its reader may see. */
const Shown = Type.Object({ id: Type.String(), toggle: Type.Optional(Type.String()) });

/** Where a message stands. Each step is written before what comes after it is done. */
export const Step = Type.Union([
  /** To be run. `echo` is the text to repeat in the room. */
  Type.Object({
    state: Type.Literal("accepted"),
    command: Command,
    echo: Type.Optional(Type.String()),
  }),
  /** The patch may have reached the API server. */
  Type.Object({ state: Type.Literal("begun"), begun: Begun }),
  /** It has taken effect or never will; the answer may have been sent. */
  Type.Object({
    state: Type.Literal("decided"),
    text: Type.String(),
    toggle: Type.Optional(Type.String()),
    following: Type.Optional(Following),
  }),
  /** The answer was sent and is edited as the Toggle changes. `edits` counts those that may have been sent. */
  Type.Object({
    state: Type.Literal("answered"),
    answer: Type.String(),
    following: Following,
    edits: Type.Integer(),
  }),
  /** Not run, for being old or one of too many; the room is to be told. */
  Type.Object({ state: Type.Literal("missed") }),
  /** Nothing is left to do; kept so that a redelivery is known. */
  Type.Object({ state: Type.Literal("done"), shown: Type.Optional(Shown), edits: Type.Integer() }),
]);
export type Step = Static<typeof Step>;

/** The verb of an entry that stands for messages that were not read, however many. */
export const UNREAD = "unread";

export const Entry = Type.Object({
  /** The order in which messages came. */
  sequence: Type.Integer(),
  /** When it came, ms since the epoch. */
  at: Type.Number(),
  room: Type.String(),
  sender: Type.String(),
  /** ms since the epoch, never in the future when it came. */
  sentAt: Type.Number(),
  verb: Type.String(),
  step: Step,
});
export type Entry = Static<typeof Entry>;

/** One text for a room about messages that were not run, sent under `transaction`. */
export const Notice = Type.Object({ text: Type.String(), transaction: Type.String() });
export type Notice = Static<typeof Notice>;

/** The entry in `bytes`; undefined where there is none that this version knows. */
export const entryOf = (bytes: Uint8Array): Entry | undefined => {
  const value = jsonOf(bytes);
  return Value.Check(Entry, value) ? value : undefined;
};

export const noticeOf = (bytes: Uint8Array): Notice | undefined => {
  const value = jsonOf(bytes);
  return Value.Check(Notice, value) ? value : undefined;
};
