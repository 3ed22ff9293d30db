// SPDX-License-Identifier: Apache-2.0
// Caches which rooms are encrypted and who their members are: fetched once, then updated by syncs.
import { Type } from "@sinclair/typebox";
import { compileSchema } from "../http/validation.ts";
import type { AuthorizedRequests } from "./authorized-requests.ts";
import { concernsAll, RequestFailed } from "./request-failed.ts";
import type { EncryptionSettings, RoomEncryption } from "./room-encryption.ts";
import { membershipOf, type StateEvent } from "./sync-response.ts";

export type Rooms = {
  /** Takes in what a sync says of a room's state. */
  apply(room: string, events: readonly StateEvent[]): Promise<void>;
  /** Once encrypted, always encrypted, whatever the homeserver says later. @throws RequestFailed */
  isEncrypted(room: string): Promise<boolean>;
  /** Full ids of those who have joined. @throws RequestFailed */
  members(room: string): Promise<string[]>;
  /**
   * Whether two have joined, or fewer, and what `user` is called there. A room that the homeserver does not tell of is not
   * direct. @throws RequestFailed when nothing can be asked of it now
   */
  describe(room: string, user: string): Promise<{ direct: boolean; shownName?: string }>;
  /** Asks what is not known yet, beside all else. */
  prepare(room: string): void;
  /** Nothing is known of the room any more. */
  left(room: string): void;
};

type Room = {
  encrypted: boolean;
  /** Who is in it, by user id; false: left while the question was under way. */
  members: Map<string, boolean>;
  /** What members are called, by user id. */
  names: Map<string, string>;
};

const JoinedMembers = compileSchema(Type.Object({ joined: Type.Record(Type.String(), Type.Unknown()) }));
const Profile = compileSchema(Type.Object({ display_name: Type.String({ minLength: 1, maxLength: 255 }) }));
const MemberName = compileSchema(Type.Object({ displayname: Type.String({ minLength: 1, maxLength: 255 }) }));
const Settings = compileSchema(Type.Object({ algorithm: Type.String() }));
const Visibility = compileSchema(Type.Object({ history_visibility: Type.String() }));

/** Settings that can't be read don't make the room a plain one. */
const UNKNOWN = { algorithm: "unknown" };

const TIMEOUT_MS = 20_000;

export type RoomsOptions = {
  requests: Pick<AuthorizedRequests, "request">;
  /** Ends the questions under way. */
  signal?: AbortSignal;
  crypto: () => Pick<RoomEncryption, "settings" | "keepSettings" | "track">;
};

/** What the homeserver says; undefined where it says that there is none. */
const get = async (
  { requests, signal }: Pick<RoomsOptions, "requests" | "signal">,
  room: string,
  path: string,
): Promise<unknown> => {
  const answer = await requests.request({
    method: "GET",
    path: `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/${path}`,
    timeoutMs: TIMEOUT_MS,
    ...(signal !== undefined && { signal }),
  });
  if (answer.ok) return answer.body;
  if (answer.kind === "matrix" && answer.errcode === "M_NOT_FOUND") return undefined;
  throw new RequestFailed(answer);
};

type Described = {
  /** What each of them is called, where that is known. */
  members: [user: string, name: string | undefined][];
  /** Where the room is encrypted. */
  settings: EncryptionSettings | undefined;
};

/** @throws RequestFailed */
const describe = async (options: RoomsOptions, room: string): Promise<Described> => {
  const [members, encryption, visibility] = await Promise.all([
    get(options, room, "joined_members"),
    get(options, room, "state/m.room.encryption/"),
    get(options, room, "state/m.room.history_visibility/"),
  ]);
  if (!JoinedMembers.Check(members)) throw new RequestFailed({ ok: false, kind: "not-json", status: 200 });
  const shown = Visibility.Check(visibility) && { historyVisibility: visibility.history_visibility };
  return {
    members: Object.entries(members.joined).map(([user, profile]) => [
      user,
      Profile.Check(profile) ? profile.display_name : undefined,
    ]),
    settings: encryption === undefined ? undefined : { ...settingsOf(encryption), ...shown },
  };
};

const settingsOf = (content: unknown): EncryptionSettings => (Settings.Check(content) ? content : UNKNOWN);

/** What the crypto machine knows of rooms, and is told of them. */
const createRoomMachine = (crypto: RoomsOptions["crypto"]) => {
  /** Of the event the machine reads these alone. */
  const trackMember = (room: string, user: string): Promise<void> =>
    crypto().track(room, {
      type: "m.room.member",
      state_key: user,
      sender: user,
      content: { membership: "join" },
    });
  return {
    isEncrypted: async (room: string): Promise<boolean> =>
      (await crypto().settings(room))?.algorithm !== undefined,
    keep: async (room: string, changed: EncryptionSettings): Promise<void> =>
      crypto().keepSettings(room, { ...(await crypto().settings(room)), ...changed }),
    track: (room: string, event: StateEvent): Promise<void> => crypto().track(room, event),
    async trackMembers(room: string, { members }: Room): Promise<void> {
      for (const [user, isIn] of members) if (isIn) await trackMember(room, user);
    },
  };
};

type RoomMachine = ReturnType<typeof createRoomMachine>;

/** Takes in that a room is encrypted, where the events say so. */
const applyEncryption = async (
  machine: RoomMachine,
  room: string,
  known: Room | undefined,
  events: readonly StateEvent[],
): Promise<void> => {
  for (const { type, state_key, content } of events) {
    if (state_key !== "" || type !== "m.room.encryption") continue;
    await machine.keep(room, settingsOf(content));
    if (known === undefined) continue;
    known.encrypted = true;
    await machine.trackMembers(room, known);
  }
};

/** Tells the machine of those who come, and of who may read what was written before. */
const applyToEncrypted = async (machine: RoomMachine, room: string, event: StateEvent): Promise<void> => {
  const membership = membershipOf(event);
  if (membership === "join" || membership === "invite") await machine.track(room, event);
  if (event.type === "m.room.history_visibility" && Visibility.Check(event.content)) {
    await machine.keep(room, { historyVisibility: event.content.history_visibility });
  }
};

export const createRooms = (options: RoomsOptions): Rooms => new KnownRooms(options);

class KnownRooms implements Rooms {
  readonly #options: RoomsOptions;
  readonly #machine: RoomMachine;
  readonly #rooms = new Map<string, Room>();
  readonly #asking = new Map<string, Promise<Room>>();

  constructor(options: RoomsOptions) {
    this.#options = options;
    this.#machine = createRoomMachine(options.crypto);
  }

  async apply(room: string, events: readonly StateEvent[]): Promise<void> {
    const known = this.#rooms.get(room);
    // The order of state means nothing: what follows depends on whether the room is encrypted.
    await applyEncryption(this.#machine, room, known, events);
    const isEncrypted = await this.#machine.isEncrypted(room);
    for (const event of events) {
      const membership = membershipOf(event);
      if (membership !== undefined) known?.members.set(event.state_key, membership === "join");
      if (membership === "join" && MemberName.Check(event.content)) {
        known?.names.set(event.state_key, event.content.displayname);
      }
      if (isEncrypted) await applyToEncrypted(this.#machine, room, event);
    }
  }

  prepare(room: string): void {
    // One that fails is made again when it is needed.
    this.#find(room).catch(() => {});
  }

  async isEncrypted(room: string): Promise<boolean> {
    return (await this.#machine.isEncrypted(room)) || (await this.#find(room)).encrypted;
  }

  async members(room: string): Promise<string[]> {
    return [...(await this.#find(room)).members].flatMap(([user, isIn]) => (isIn ? [user] : []));
  }

  async describe(room: string, user: string): Promise<{ direct: boolean; shownName?: string }> {
    try {
      const { members, names } = await this.#find(room);
      const shownName = names.get(user);
      const joined = [...members.values()].filter((isIn) => isIn).length;
      return { direct: joined <= 2, ...(shownName !== undefined && { shownName }) };
    } catch (error) {
      if (error instanceof RequestFailed && !concernsAll(error.fault)) return { direct: false };
      throw error;
    }
  }

  left(room: string): void {
    this.#rooms.delete(room);
  }

  async #find(room: string): Promise<Room> {
    const known = this.#asking.get(room) ?? this.#rooms.get(room);
    if (known) return known;
    const asked = this.#ask(room).finally(() => this.#asking.delete(room));
    this.#asking.set(room, asked);
    return asked;
  }

  async #ask(room: string): Promise<Room> {
    const known: Room = { encrypted: false, members: new Map(), names: new Map() };
    this.#rooms.set(room, known);
    try {
      const { members, settings } = await describe(this.#options, room);
      // A sync may have told newer things meanwhile.
      for (const [user, name] of members) {
        if (!known.members.has(user)) known.members.set(user, true);
        if (name !== undefined && !known.names.has(user)) known.names.set(user, name);
      }
      if (settings !== undefined) {
        await this.#machine.keep(room, settings);
        known.encrypted = true;
      }
      if (await this.#machine.isEncrypted(room)) await this.#machine.trackMembers(room, known);
      return known;
    } catch (error) {
      if (this.#rooms.get(room) === known) this.#rooms.delete(room);
      throw error;
    }
  }
}
