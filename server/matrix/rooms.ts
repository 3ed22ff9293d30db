// SPDX-License-Identifier: Apache-2.0
// What the bot knows of its rooms: whether they are encrypted, and who is in them; asked once, and kept up by the syncs.
import { Type } from "@sinclair/typebox";
import { compileSchema } from "../http/validation.ts";
import type { AuthorizedRequests } from "./authorized-requests.ts";
import { RequestFailed } from "./request-failed.ts";
import type { EncryptionSettings, RoomCrypto } from "./room-crypto.ts";
import { membershipOf, type StateEvent } from "./sync-response.ts";

export type Rooms = {
  /** Takes in what a sync says of a room's state. */
  apply(room: string, events: readonly StateEvent[]): Promise<void>;
  /** Once encrypted, always encrypted, whatever the homeserver says later. @throws RequestFailed */
  isEncrypted(room: string): Promise<boolean>;
  /** Full ids of those who have joined. @throws RequestFailed */
  members(room: string): Promise<string[]>;
  /** Asks what is not known yet, beside all else. */
  prepare(room: string): void;
  /** Nothing is known of the room any more. */
  left(room: string): void;
};

type Room = {
  encrypted: boolean;
  /** Who is in it, by user id; false: left while the question was under way. */
  members: Map<string, boolean>;
};

const JoinedMembers = compileSchema(Type.Object({ joined: Type.Record(Type.String(), Type.Unknown()) }));
const Settings = compileSchema(Type.Object({ algorithm: Type.String() }));
const Visibility = compileSchema(Type.Object({ history_visibility: Type.String() }));

/** Settings that can't be read don't make the room a plain one. */
const UNKNOWN = { algorithm: "unknown" };

const TIMEOUT_MS = 20_000;

export const createRooms = (options: {
  requests: Pick<AuthorizedRequests, "request">;
  /** Ends the questions under way. */
  signal?: AbortSignal;
  crypto: () => Pick<RoomCrypto, "settings" | "keepSettings" | "track">;
}): Rooms => {
  const { requests, crypto, signal } = options;
  const rooms = new Map<string, Room>();
  const asking = new Map<string, Promise<Room>>();

  /** Undefined where the homeserver says that there is none. */
  const get = async (room: string, path: string): Promise<unknown> => {
    const answer = await requests.request({
      method: "GET",
      path: `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/${path}`,
      timeoutMs: TIMEOUT_MS,
      ...(signal && { signal }),
    });
    if (answer.ok) return answer.body;
    if (answer.kind === "matrix" && answer.errcode === "M_NOT_FOUND") return undefined;
    throw new RequestFailed(answer);
  };
  const state = (room: string, type: string) => get(room, `state/${type}/`);

  const keep = async (room: string, changed: EncryptionSettings): Promise<void> =>
    crypto().keepSettings(room, { ...(await crypto().settings(room)), ...changed });

  /** What the machine is told of a member; of the event it reads these alone. */
  const track = (room: string, user: string): Promise<void> =>
    crypto().track(room, {
      type: "m.room.member",
      state_key: user,
      sender: user,
      content: { membership: "join" },
    });

  const ask = async (room: string): Promise<Room> => {
    const known: Room = { encrypted: false, members: new Map() };
    rooms.set(room, known);
    try {
      const [members, settings, visibility] = await Promise.all([
        get(room, "joined_members"),
        state(room, "m.room.encryption"),
        state(room, "m.room.history_visibility"),
      ]);
      if (!JoinedMembers.Check(members))
        throw new RequestFailed({ ok: false, kind: "not-json", status: 200 });
      // A sync may have told newer things meanwhile.
      for (const user of Object.keys(members.joined))
        if (!known.members.has(user)) known.members.set(user, true);
      if (settings !== undefined) {
        const algorithm = Settings.Check(settings) ? settings : UNKNOWN;
        const shown = Visibility.Check(visibility) && { historyVisibility: visibility.history_visibility };
        await keep(room, { ...algorithm, ...shown });
        known.encrypted = true;
      }
      if (await isKnownEncrypted(room))
        for (const [user, isIn] of known.members) if (isIn) await track(room, user);
      return known;
    } catch (error) {
      if (rooms.get(room) === known) rooms.delete(room);
      throw error;
    }
  };

  const isKnownEncrypted = async (room: string): Promise<boolean> =>
    (await crypto().settings(room))?.algorithm !== undefined;

  const find = async (room: string): Promise<Room> => {
    const underWay = asking.get(room);
    if (underWay) return underWay;
    const known = rooms.get(room);
    if (known) return known;
    const asked = ask(room).finally(() => asking.delete(room));
    asking.set(room, asked);
    return asked;
  };

  return {
    async apply(room, events) {
      const known = rooms.get(room);
      // The order of state means nothing: what follows depends on whether the room is encrypted.
      for (const { type, state_key, content } of events) {
        if (state_key !== "" || type !== "m.room.encryption") continue;
        await keep(room, Settings.Check(content) ? content : UNKNOWN);
        if (known) known.encrypted = true;
        for (const [user, isIn] of known?.members ?? []) if (isIn) await track(room, user);
      }
      const isEncrypted = await isKnownEncrypted(room);
      for (const event of events) {
        const membership = membershipOf(event);
        if (membership !== undefined) known?.members.set(event.state_key, membership === "join");
        const isComing = membership === "join" || membership === "invite";
        if (isEncrypted && isComing) await crypto().track(room, event);
        if (isEncrypted && event.type === "m.room.history_visibility" && Visibility.Check(event.content))
          await keep(room, { historyVisibility: event.content.history_visibility });
      }
    },
    prepare(room) {
      // One that fails is made again when it is needed.
      find(room).catch(() => {});
    },
    isEncrypted: async (room) => (await isKnownEncrypted(room)) || (await find(room)).encrypted,
    members: async (room) => [...(await find(room)).members].flatMap(([user, isIn]) => (isIn ? [user] : [])),
    left(room) {
      rooms.delete(room);
    },
  };
};
