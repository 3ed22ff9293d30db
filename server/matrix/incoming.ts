// SPDX-License-Identifier: Apache-2.0
// Processes a sync in order: rooms and room keys first, then the messages, each of which goes to exactly one handler.
import type {
  Authorship,
  IncomingHandlers,
  Message,
  MessageContext,
  RefusalReason,
  UnreadMessage,
} from "../bot/chat.ts";
import { localpartOf } from "../config/matrix.ts";
import type { Invitations } from "./invitations.ts";
import type { LateKeys, Undecrypted } from "./late-keys.ts";
import { isEdit, reactionOf, redactedBy, relationsOf, textOf } from "./message-event.ts";
import type { MessageReplays } from "./message-replays.ts";
import type { RoomEncryption } from "./room-encryption.ts";
import type { RoomUpgrades } from "./room-upgrades.ts";
import type { Rooms } from "./rooms.ts";
import {
  type JoinedRoom,
  membershipOf,
  type StateEvent,
  type SyncResponse,
  stateEvent,
  type TimelineEvent,
  timelineEvent,
} from "./sync-response.ts";
import type { GapBounds, TimelineGap } from "./timeline-gap.ts";
import type { Verifications } from "./verifications.ts";

export type Incoming = {
  /**
   * @param syncToken the position that the sync goes on from; undefined for the first of a store
   * @throws RequestFailed, and what a handler throws: then the same sync has to come again
   */
  process(sync: SyncResponse, syncToken: string | undefined): Promise<void>;
};

/** An event of a room. `resumed`: see onMessage. */
type Received = { readonly room: string; readonly event: TimelineEvent; readonly resumed: boolean };

/** One whose content can be read. */
type Opened = Received & { readonly authorship: Authorship };

/** `unread`: names a gap before its events. */
type Timeline = { room: string; events: readonly unknown[]; unread?: string };

export type IncomingOptions = {
  userId: string;
  rooms: Rooms;
  crypto: RoomEncryption;
  lateKeys: LateKeys;
  replays: MessageReplays;
  invitations: Pick<Invitations, "take">;
  upgrades: Pick<RoomUpgrades, "take">;
  /** Undefined where the engine has none: their events are then ignored. */
  verifications?: Pick<Verifications, "take">;
  /** See readTimelineGap. @throws RequestFailed */
  readGap: (bounds: GapBounds) => Promise<TimelineGap>;
  /** Only their messages are waited for when the key is late. */
  mayTalk: (user: string) => boolean;
  handlers: IncomingHandlers;
};

export const createIncoming = (options: IncomingOptions): Incoming => ({
  async process(sync, syncToken) {
    const { rooms, crypto, lateKeys, upgrades, handlers } = options;
    const joined = Object.entries(sync.rooms?.join ?? {});
    const timelines: Timeline[] = [];
    for (const [room, one] of joined) timelines.push(await wholeTimeline(options, room, one, syncToken));
    // Members first: their devices are then asked for together with the rest, before their messages are read.
    for (const [room, joinedRoom] of joined) {
      const state = stateOf(joinedRoom);
      await rooms.apply(room, state);
      upgrades.take(room, state);
    }
    const isBefore = mattersToMessages(sync, joined);
    if (isBefore) await crypto.receive(sync);
    for (const [room] of joined) rooms.prepare(room);
    await takeWaiting(options);
    takeLeft(options, sync);
    takeInvitations(options, sync);
    for (const timeline of timelines) await takeTimeline(options, timeline, syncToken !== undefined);
    for (const { room, event } of lateKeys.expired()) handlers.onUndecryptable(unread(room, event));
    if (!isBefore) await crypto.receive(sync);
  },
});

/** A room's timeline with what the sync left out of it. */
const wholeTimeline = async (
  { readGap }: IncomingOptions,
  room: string,
  { timeline }: JoinedRoom,
  syncToken: string | undefined,
): Promise<Timeline> => {
  const { events = [], limited, prev_batch: from } = timeline ?? {};
  // Without a position there is no gap but history.
  if (!limited || from === undefined || syncToken === undefined) return { room, events };
  const { events: left, whole } = await readGap({ room, from, to: syncToken });
  return { room, events: [...left, ...events], ...(!whole && { unread: `gap ${room} ${from}` }) };
};

/** Messages whose key may have come. */
const takeWaiting = async (options: IncomingOptions): Promise<void> => {
  const { lateKeys } = options;
  for (const one of lateKeys.waiting()) {
    if (await decrypted(options, one)) lateKeys.remove(one.event.event_id);
  }
};

const takeLeft = ({ userId, rooms, handlers }: IncomingOptions, sync: SyncResponse): void => {
  for (const [room, { timeline }] of Object.entries(sync.rooms?.leave ?? {})) {
    rooms.left(room);
    const own = stateEvents(timeline?.events).findLast((event) => isOwn(event, userId));
    handlers.onLeft(room, own?.sender ?? "");
  }
};

const takeInvitations = ({ invitations }: IncomingOptions, sync: SyncResponse): void => {
  // Synapse repeats an invitation that was followed since the last sync.
  for (const [room, { invite_state: state }] of Object.entries(sync.rooms?.invite ?? {})) {
    if (sync.rooms?.join?.[room] === undefined) invitations.take(room, stateEvents(state?.events));
  }
};

const takeTimeline = async (
  options: IncomingOptions,
  { room, events, unread: gap }: Timeline,
  resumed: boolean,
): Promise<void> => {
  if (gap !== undefined) options.handlers.onUnreadGap(room, gap);
  for (const event of sinceInvited(events, options.userId)) {
    await takeEvent(options, { room, event, resumed });
  }
};

const takeEvent = async (options: IncomingOptions, one: Received): Promise<void> => {
  const { userId, handlers } = options;
  const { room, event } = one;
  if (event.sender === userId || event.state_key !== undefined) return;
  if (event.type === "m.room.encrypted") return takeEncrypted(options, one);
  if (options.verifications?.take(room, event)) return;
  if (event.type === "m.room.redaction") {
    const redacted = redactedBy(event);
    if (redacted !== undefined) handlers.onRedacted(room, redacted);
  } else if (event.type === "m.room.message" || event.type === "m.reaction") await takeClear(options, one);
};

/** What came unencrypted. In an encrypted room it is no message. */
const takeClear = async (options: IncomingOptions, one: Received): Promise<void> => {
  const { rooms, mayTalk, handlers } = options;
  const { room, event } = one;
  // Of the others it is not asked: a room that the homeserver can't tell of would else stop the bot at any member's word.
  const isKnown = mayTalk(event.sender);
  const isMisplaced = isKnown && (await rooms.isEncrypted(room));
  const opened: Opened = { ...one, authorship: isKnown && !isMisplaced ? "plain" : "unproven" };
  if (!isMisplaced || event.type === "m.reaction") return deliver(options, opened);
  const message = await messageOf(options, opened);
  if (message !== undefined) handlers.onPlainText(message);
};

const takeEncrypted = async (options: IncomingOptions, one: Undecrypted): Promise<void> => {
  const { lateKeys, mayTalk, handlers } = options;
  // Outside, the relation may be the only sign of an edit; one that was hidden there is recognised inside.
  if (isEdit(one.event.content) || (await decrypted(options, one))) return;
  if (mayTalk(one.event.sender) && lateKeys.add(one)) return;
  handlers.onUndecryptable(unread(one.room, one.event));
};

/** False when the key is missing. */
const decrypted = async (
  options: IncomingOptions,
  { room, event, resumed }: Undecrypted,
): Promise<boolean> => {
  const { crypto, replays, mayTalk, handlers } = options;
  const clear = await crypto.decrypt(room, event);
  if (clear === undefined) return false;
  const isProven = crypto.isProven(event.event_id, event.sender);
  const opened: Opened = {
    ...{ room, resumed, authorship: isProven ? "proven" : "unproven" },
    event: { ...clear, content: related(clear.content, event.content) },
  };
  if (options.verifications?.take(room, opened.event)) return true;
  const verdict = crypto.verdict(event.event_id, event.sender);
  const refuse = async (reason: RefusalReason): Promise<void> => {
    const message = await messageOf(options, opened);
    if (message !== undefined) handlers.onRefused(message, reason);
  };
  if (!verdict.obey) await refuse(verdict.reason);
  else if (mayTalk(event.sender) && replays.isReplay(event)) await refuse("replayed");
  else await deliver(options, opened);
  return true;
};

/** A relation stands outside of what is encrypted, and inside as well where the client left it there. */
const related = (
  inside: TimelineEvent["content"],
  outside: TimelineEvent["content"],
): TimelineEvent["content"] => {
  const relation = inside["m.relates_to"] ?? outside["m.relates_to"];
  return relation === undefined ? inside : { ...inside, "m.relates_to": relation };
};

/** Text or a reaction, in a room that is not encrypted or out of an event that was. */
const deliver = async (options: IncomingOptions, opened: Opened): Promise<void> => {
  const { handlers } = options;
  const { room, event, resumed, authorship } = opened;
  if (event.type === "m.reaction") {
    const { to, kind } = reactionOf(event.content) ?? {};
    const by = { id: event.event_id, room, sender: event.sender, authorship };
    if (to !== undefined && kind === "refresh") handlers.onRefresh(to, by);
    else if (to !== undefined) handlers.onConfirm(to, by);
  }
  const message = await messageOf(options, opened);
  if (message !== undefined) handlers.onMessage(message, { resumed });
};

/** Undefined where the event is no text. */
const messageOf = async (
  options: IncomingOptions,
  { room, event, authorship }: Opened,
): Promise<Message | undefined> => {
  const { event_id: id, sender, origin_server_ts: sentAt, content } = event;
  const text = event.type === "m.room.message" ? textOf(content) : undefined;
  if (text === undefined) return undefined;
  return { id, room, sender, text, sentAt, authorship, context: await contextOf(options, { room, event }) };
};

const contextOf = async (
  { userId, rooms, mayTalk }: IncomingOptions,
  { room, event: { sender, content } }: Pick<Received, "room" | "event">,
): Promise<MessageContext> => {
  const relations = relationsOf(content, userId);
  const names = [userId, localpartOf(userId)];
  // Of the others it is not asked: see takeEvent.
  if (!mayTalk(sender)) return { direct: false, names, ...relations };
  const { direct, shownName } = await rooms.describe(room, userId);
  return { direct, names: [...names, ...(shownName === undefined ? [] : [shownName])], ...relations };
};

/**
 * Whether the machine has to take in what the sync brings before the messages are read: keys, devices, members. Else the
 * messages need not wait for it, which is most of what the bot does with a command before it acts.
 */
const mattersToMessages = (
  { to_device: keys, device_lists: lists }: SyncResponse,
  joined: readonly (readonly [string, JoinedRoom])[],
): boolean =>
  (keys?.events?.length ?? 0) > 0 ||
  (lists?.changed?.length ?? 0) > 0 ||
  (lists?.left?.length ?? 0) > 0 ||
  joined.some(([, room]) => stateOf(room).length > 0);

const unread = (room: string, event: TimelineEvent): UnreadMessage => ({
  id: event.event_id,
  room,
  sender: event.sender,
  sentAt: event.origin_server_ts,
});

const stateEvents = (events: readonly unknown[] | undefined): StateEvent[] =>
  (events ?? []).filter((event) => stateEvent.Check(event));

const stateOf = ({ state, timeline }: JoinedRoom): StateEvent[] =>
  stateEvents([...(state?.events ?? []), ...(timeline?.events ?? [])]);

const isOwn = (event: StateEvent, userId: string): boolean =>
  event.type === "m.room.member" && event.state_key === userId;

/** What was said before the bot was invited was not said to it, though a room may show it to who comes later. */
const sinceInvited = (events: readonly unknown[], userId: string): TimelineEvent[] => {
  const invited = events.findLastIndex(
    (event) => stateEvent.Check(event) && isOwn(event, userId) && membershipOf(event) === "invite",
  );
  return events.slice(invited + 1).filter((event) => timelineEvent.Check(event));
};
