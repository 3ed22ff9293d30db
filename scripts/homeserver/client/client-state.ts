// SPDX-License-Identifier: Apache-2.0
// Waits for states of a user's client that are not events in a room: its first sync, and changes of its rooms.
import { ClientEvent, type MatrixClient, RoomEvent, RoomStateEvent, SyncState } from "matrix-js-sdk";

const LIMIT_SECONDS = 60;

/** Answers when the client's first sync is done. @throws Error when it fails, or takes too long */
export const firstSync = (client: MatrixClient): Promise<void> =>
  new Promise((resolve, reject) => {
    const end = (fault?: string) => {
      client.off(ClientEvent.Sync, onSync);
      clearTimeout(timer);
      if (fault === undefined) resolve();
      else reject(new Error(`the first sync of ${client.getUserId()} ${fault}`));
    };
    const onSync = (state: SyncState) => {
      if (state === SyncState.Prepared) end();
      else if (state === SyncState.Error) end("failed");
    };
    const timer = setTimeout(() => end(`was not done within ${LIMIT_SECONDS} s`), LIMIT_SECONDS * 1000);
    client.on(ClientEvent.Sync, onSync);
  });

/** Answers when `check` holds; it is asked again after each sync and when a room, its state or a membership changes. */
export const whenRoomChanges = (
  client: MatrixClient,
  what: string,
  check: () => boolean,
  seconds: number = LIMIT_SECONDS,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const changes = [
      ClientEvent.Room,
      ClientEvent.Sync,
      RoomEvent.MyMembership,
      RoomStateEvent.Events,
    ] as const;
    const end = (then: () => void) => {
      for (const change of changes) client.off(change, look);
      clearTimeout(timer);
      then();
    };
    const look = () => {
      if (check()) end(resolve);
    };
    const timer = setTimeout(() => {
      end(() => reject(new Error(`${client.getUserId()} did not see ${what} within ${seconds} s`)));
    }, seconds * 1000);
    for (const change of changes) client.on(change, look);
    look();
  });
