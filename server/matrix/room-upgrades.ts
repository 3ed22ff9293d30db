// SPDX-License-Identifier: Apache-2.0
// Follows rooms that were upgraded: joins the room that a tombstone names, and expects to be invited to it where it may not.
// https://spec.matrix.org/latest/client-server-api/#room-upgrades
import { Type } from "@sinclair/typebox";
import type { Logger } from "pino";
import type { BotStore } from "../bot/store.ts";
import { compileSchema } from "../http/validation.ts";
import { jsonOf } from "../json.ts";
import type { Sleep } from "../time.ts";
import type { AuthorizedRequests } from "./authorized-requests.ts";
import { describeFault } from "./http.ts";
import { persist } from "./persistent-request.ts";
import type { StateEvent } from "./sync-response.ts";

export type RoomUpgrades = {
  /** What a sync says of the state of a room that the bot is in. Answers at once; it joins beside the syncs. */
  take(room: string, state: readonly StateEvent[]): void;
  /** Tries once more what could not be joined before the restart. */
  takePending(): void;
  /** Whether the room takes the place of one that the bot is in: an invitation to it is followed, whoever sends it. */
  isExpected(room: string): boolean;
  /** When nothing is under way any more. */
  idle(): Promise<void>;
};

export type RoomUpgradesOptions = {
  requests: Pick<AuthorizedRequests, "request">;
  store: Pick<BotStore, "get" | "put" | "delete">;
  sleep: Sleep;
  /** Ends what is under way. */
  signal: AbortSignal;
  logger: Pick<Logger, "info" | "warn" | "error">;
};

const Tombstone = compileSchema(
  Type.Object({ replacement_room: Type.String({ pattern: "^!", maxLength: 255 }) }),
);

/** The room that was upgraded, and a server that knows the new one. */
const Upgrade = Type.Object({ from: Type.String(), via: Type.String() });
const Upgrades = compileSchema(Type.Record(Type.String(), Upgrade));
type Upgrade = { readonly from: string; readonly via: string };

const KEY = "upgrades";
/** Of joining other servers' rooms, which takes them a while. */
const TIMEOUT_MS = 60_000;
/** Those that the bot was never let into; the oldest is forgotten. */
const MOST_EXPECTED = 100;

const load = (store: RoomUpgradesOptions["store"]): Map<string, Upgrade> => {
  const bytes = store.get("sync", KEY);
  const value = bytes && jsonOf(bytes);
  return new Map(Upgrades.Check(value) ? Object.entries(value) : []);
};

export const createRoomUpgrades = (options: RoomUpgradesOptions): RoomUpgrades =>
  new FollowedUpgrades(options);

class FollowedUpgrades implements RoomUpgrades {
  readonly #options: RoomUpgradesOptions;
  /** By the new room, until the bot is in it. */
  readonly #expected: Map<string, Upgrade>;
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(options: RoomUpgradesOptions) {
    this.#options = options;
    this.#expected = load(options.store);
  }

  take(room: string, state: readonly StateEvent[]): void {
    if (this.#expected.delete(room)) this.#save();
    const tombstone = state.findLast(
      ({ type, state_key }) => type === "m.room.tombstone" && state_key === "",
    );
    if (tombstone === undefined || !Tombstone.Check(tombstone.content)) return;
    const { replacement_room: to } = tombstone.content;
    const via = tombstone.sender.slice(tombstone.sender.indexOf(":") + 1);
    if (this.#expected.has(to)) return;
    const [oldest] = this.#expected.keys();
    if (this.#expected.size >= MOST_EXPECTED && oldest !== undefined) this.#expected.delete(oldest);
    this.#expected.set(to, { from: room, via });
    this.#save();
    this.#follow(to, { from: room, via });
  }

  takePending(): void {
    for (const [to, upgrade] of this.#expected) this.#follow(to, upgrade);
  }

  isExpected(room: string): boolean {
    return this.#expected.has(room);
  }

  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay.values());
  }

  #follow(to: string, upgrade: Upgrade): void {
    const { signal, logger } = this.#options;
    if (this.#underWay.has(to) || signal.aborted) return;
    const done = this.#join(to, upgrade)
      .catch((err: unknown) => logger.error({ err }, "the upgrade of a room failed inside"))
      .finally(() => this.#underWay.delete(to));
    this.#underWay.set(to, done);
  }

  async #join(to: string, { from, via }: Upgrade): Promise<void> {
    const { requests, signal, logger } = this.#options;
    const answer = await persist(this.#options, () =>
      requests.request({
        method: "POST",
        path: `/_matrix/client/v3/join/${encodeURIComponent(to)}`,
        query: { server_name: via },
        body: {},
        timeoutMs: TIMEOUT_MS,
        signal,
        repeatable: true,
      }),
    );
    if (answer === undefined) return;
    if (answer.ok) logger.info({ room: to, from }, "followed a room that was upgraded");
    else {
      const fault = describeFault(answer);
      logger.warn(
        { room: to, from, fault },
        "a room was upgraded, and the bot may not join the new one uninvited",
      );
    }
  }

  #save(): void {
    const { store } = this.#options;
    if (this.#expected.size === 0) store.delete("sync", KEY);
    else store.put("sync", KEY, JSON.stringify(Object.fromEntries(this.#expected)));
  }
}
