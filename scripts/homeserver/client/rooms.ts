// SPDX-License-Identifier: Apache-2.0
// Creates, joins and leaves rooms as a user, and lists their members.
import { EventType, type MatrixClient, Preset, Visibility } from "matrix-js-sdk";
import type { CryptoApi } from "matrix-js-sdk/lib/crypto-api/index.js";
import { whenRoomChanges } from "./client-state.ts";

export type Rooms = {
  /** Makes a room, encrypted unless said otherwise, and answers with its id when it can be written in. */
  createRoom(options?: { encrypted?: boolean; invite?: readonly string[]; name?: string }): Promise<string>;
  invite(room: string, userId: string): Promise<void>;
  /** Joins, and answers when the client knows the room and its encryption. */
  join(room: string): Promise<void>;
  leave(room: string): Promise<void>;
  /** Waits for an invitation to this user, and answers with the room's id. */
  invitation(room?: string): Promise<string>;
  /** Waits until this client sees a user's membership; what is sent before is not encrypted for them. */
  seesMember(room: string, userId: string, membership?: string, seconds?: number): Promise<void>;
};

const ENCRYPTION = {
  type: EventType.RoomEncryption,
  state_key: "",
  content: { algorithm: "m.megolm.v1.aes-sha2" },
};

const stateOf = (client: MatrixClient, room: string) => client.getRoom(room)?.currentState;

/** Whether the client knows that a room is encrypted. */
export const isEncrypted = (client: MatrixClient, room: string): boolean =>
  stateOf(client, room)?.getStateEvents(EventType.RoomEncryption, "") !== null;

/** The rooms of the user whom `client` has logged in. */
export const roomsOf = (client: MatrixClient, crypto: CryptoApi): Rooms => {
  const roomIs = (what: string, check: () => boolean, seconds?: number) =>
    whenRoomChanges(client, what, check, seconds);
  const writable = async (room: string) => {
    await roomIs(`${room} joined`, () => client.getRoom(room)?.getMyMembership() === "join");
    if (isEncrypted(client, room) && !(await crypto.isEncryptionEnabledInRoom(room))) {
      throw new Error(`the client does not know that ${room} is encrypted`);
    }
  };
  return {
    createRoom: async ({ encrypted = true, invite = [], name } = {}) => {
      const { room_id: room } = await client.createRoom({
        preset: Preset.PrivateChat,
        visibility: Visibility.Private,
        invite: [...invite],
        ...(name === undefined ? {} : { name }),
        initial_state: encrypted ? [ENCRYPTION] : [],
      });
      await writable(room);
      return room;
    },
    invite: async (room, invited) => void (await client.invite(room, invited)),
    join: async (room) => {
      await client.joinRoom(room);
      await writable(room);
    },
    leave: async (room) => void (await client.leave(room)),
    invitation: async (room) => {
      const invited = () =>
        client
          .getRooms()
          .filter((known) => known.getMyMembership() === "invite")
          .find((known) => room === undefined || known.roomId === room);
      await roomIs("an invitation", () => invited() !== undefined);
      return invited()?.roomId ?? "";
    },
    seesMember: (room, member, membership = "join", seconds) => {
      const isSo = () => stateOf(client, room)?.getMember(member)?.membership === membership;
      return roomIs(`${member} ${membership}`, isSo, seconds);
    },
  };
};
