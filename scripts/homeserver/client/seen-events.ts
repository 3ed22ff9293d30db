// SPDX-License-Identifier: Apache-2.0
// Records the events that a user's client shows, and waits for more.
import { type MatrixClient, type MatrixEvent, MatrixEventEvent, RoomEvent } from "matrix-js-sdk";
import { createNotifier } from "../../local/notifier.ts";

/** An event as the client sees it now: a message that could not be decrypted may become readable later. */
export type SeenEvent = {
  readonly id: string;
  readonly room: string;
  readonly sender: string;
  /** The type within the encryption, or `m.room.encrypted` while that can't be opened. */
  readonly type: string;
  /** `m.text`, `m.notice` and so on; undefined for other events than messages. */
  readonly kind: string | undefined;
  /** The body; of an edit it is the new one. */
  readonly text: string | undefined;
  /** Whether it came encrypted. */
  readonly encrypted: boolean;
  /** Why it can't be decrypted: the client's own code for that. */
  readonly failure: string | undefined;
  /** The event that this one replaces: this is an edit. */
  readonly edits: string | undefined;
  readonly content: Readonly<Record<string, unknown>>;
};

type Sought = {
  readonly room?: string;
  readonly from?: string;
  /** The whole text, or what it matches. */
  readonly text?: string | RegExp;
  readonly mention?: boolean;
  readonly where?: (event: SeenEvent) => boolean;
  readonly seconds?: number;
};

export type SeenEvents = {
  /** All of a room so far, oldest first; what this device sent itself is not among them. */
  inRoom(room: string): readonly SeenEvent[];
  /**
   * The next readable message, not an edit, that fits and was not handed out by this call before; one that came already
   * counts. One that mentions this user counts where `mention` says so, and then no other. @throws Error saying what was seen instead, when its time is over
   */
  nextMessage(sought?: Sought): Promise<SeenEvent>;
  /** The texts of a message: as it was sent, then one for each of its sender's edits. */
  textsOf(eventId: string): readonly string[];
  /** Waits until the newest text of a message fits, and answers with it. @throws Error as above */
  textBecomes(eventId: string, text: string | RegExp, seconds?: number): Promise<string>;
  /** Calls `check` now and at every event until it answers with something. @throws Error as above */
  until<T>(what: string, check: () => T | undefined | false, seconds?: number): Promise<T>;
};

/** Long enough for a homeserver under load; a test that waits in vain ends with what was seen. */
const LIMIT_SECONDS = 60;

const asText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

const seen = (event: MatrixEvent): SeenEvent => {
  const content: Record<string, unknown> = event.getOriginalContent();
  const relation = event.getRelation();
  const edits = relation?.rel_type === "m.replace" ? relation.event_id : undefined;
  const replacement = content["m.new_content"];
  const body =
    edits !== undefined && typeof replacement === "object" && replacement !== null && "body" in replacement
      ? replacement.body
      : content.body;
  const failed = event.isDecryptionFailure();
  return {
    id: event.getId() ?? "",
    room: event.getRoomId() ?? "",
    sender: event.getSender() ?? "",
    type: failed ? event.getWireType() : event.getType(),
    kind: failed ? undefined : asText(content.msgtype),
    text: failed ? undefined : asText(body),
    encrypted: event.isEncrypted(),
    failure: failed ? (event.decryptionFailureReason ?? "UNKNOWN") : undefined,
    edits,
    content,
  };
};

const fits = (text: string | undefined, wanted: string | RegExp | undefined): boolean =>
  wanted === undefined ||
  (text !== undefined && (typeof wanted === "string" ? text === wanted : wanted.test(text)));

const mentions = ({ content }: SeenEvent, user: string | null): boolean => {
  const named = content["m.mentions"];
  const users = typeof named === "object" && named !== null && "user_ids" in named ? named.user_ids : [];
  return Array.isArray(users) && users.includes(user);
};

/** Starts to keep what `client` sees; to be called before the client is started. */
export const keepSeenEvents = (client: MatrixClient): SeenEvents => {
  const events: MatrixEvent[] = [];
  const taken = new Set<string>();
  const notifier = createNotifier();
  client.on(RoomEvent.Timeline, (event, _room, toStart) => {
    // What this device sends appears at once, with a status, before the homeserver has it.
    if (toStart === true || event.status !== null) return;
    events.push(event);
    notifier.notify();
  });
  client.on(MatrixEventEvent.Decrypted, notifier.notify);

  const describe = () =>
    events
      .slice(-12)
      .map(seen)
      .map(({ sender, type, text, failure }) => `${sender} ${type} ${failure ?? text ?? ""}`)
      .join("\n");

  const until: SeenEvents["until"] = (what, check, seconds = LIMIT_SECONDS) =>
    notifier.until(`${client.getUserId()} sees ${what}`, check, {
      seconds,
      seen: () => `Last seen:\n${describe()}`,
    });

  const textsOf = (eventId: string): string[] => {
    const all = events.map(seen);
    const sender = all.find(({ id }) => id === eventId)?.sender;
    return all
      .filter((event) => event.sender === sender && (event.id === eventId || event.edits === eventId))
      .flatMap(({ text }) => (text === undefined ? [] : [text]));
  };

  return {
    inRoom: (room) => events.map(seen).filter((event) => event.room === room),
    nextMessage: ({ room, from, text, mention = false, where = () => true, seconds } = {}) =>
      until(
        `a message${from === undefined ? "" : ` of ${from}`}${text === undefined ? "" : ` with ${text}`}`,
        () => {
          const found = events
            .map(seen)
            .find(
              (event) =>
                event.type === "m.room.message" &&
                event.edits === undefined &&
                !taken.has(event.id) &&
                (room === undefined || event.room === room) &&
                (from === undefined || event.sender === from) &&
                fits(event.text, text) &&
                mentions(event, client.getUserId()) === mention &&
                where(event),
            );
          if (found !== undefined) taken.add(found.id);
          return found;
        },
        seconds,
      ),
    textsOf,
    textBecomes: (eventId, text, seconds) =>
      until(
        `${eventId} become ${text}`,
        () => {
          const newest = textsOf(eventId).at(-1);
          return newest !== undefined && fits(newest, text) ? newest : undefined;
        },
        seconds,
      ),
    until,
  };
};
