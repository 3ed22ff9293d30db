// SPDX-License-Identifier: Apache-2.0
// Accepts invitations of those who may command the bot, and rejects all others silently.
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { Sleep } from "../time.ts";
import type { AuthorizedRequests } from "./authorized-requests.ts";
import { describeFault } from "./http.ts";
import { persist } from "./persistent-request.ts";
import { invitationsFilter } from "./sync-filter.ts";
import { membershipOf, type StateEvent, stateEvent, syncResponse } from "./sync-response.ts";

export type InvitationOutcome = "accepted" | "refused" | "failed";

export type Invitations = {
  /** One invitation, live or pending, with the state that came with it. Answers at once; the rest is done beside the syncs. */
  take(room: string, state: readonly StateEvent[]): void;
  /** Asks for the invitations that are pending; a sync that goes on from a position does not repeat them. */
  takePending(): void;
  /** When nothing is under way any more. */
  idle(): Promise<void>;
};

export type InvitationsOptions = {
  requests: Pick<AuthorizedRequests, "userId" | "request">;
  mayTalk: (user: string) => boolean;
  /** Whether the bot is to be in the room, whoever invites it. */
  isExpected?: (room: string) => boolean;
  sleep: Sleep;
  /** Ends what is under way. */
  signal: AbortSignal;
  logger: Pick<Logger, "info" | "warn" | "error">;
  onInvitation?: (outcome: InvitationOutcome) => void;
};

/** Of joining other servers' rooms, which takes them a while. */
const TIMEOUT_MS = 60_000;

/** Follows the invitation, or declines it. */
const answerInvitation = async (options: InvitationsOptions, room: string, sender: string): Promise<void> => {
  const { requests, signal, logger, onInvitation } = options;
  const isWelcome = options.mayTalk(sender) || options.isExpected?.(room) === true;
  const verb = isWelcome ? "join" : "leave";
  const answer = await persist(options, () =>
    requests.request({
      method: "POST",
      path: `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/${verb}`,
      body: {},
      timeoutMs: TIMEOUT_MS,
      signal,
      // Joining or leaving twice comes to the same.
      repeatable: true,
    }),
  );
  if (answer === undefined) return;
  if (!answer.ok) {
    const fault = describeFault(answer);
    logger.warn({ room, sender, fault }, `an invitation could not be answered: ${verb}`);
    onInvitation?.("failed");
  } else if (isWelcome) {
    logger.info({ room, sender }, "joined a room by invitation");
    onInvitation?.("accepted");
  } else {
    logger.info({ room, sender }, "declined an invitation of a user who may not command the bot");
    onInvitation?.("refused");
  }
};

/** The rooms of the pending invitations, with the state that came with each. */
const askPending = async (options: InvitationsOptions): Promise<[room: string, state: StateEvent[]][]> => {
  const { requests, signal, logger } = options;
  const answer = await persist(options, () =>
    requests.request({
      method: "GET",
      path: "/_matrix/client/v3/sync",
      query: { filter: JSON.stringify(invitationsFilter(randomUUID())), timeout: 0 },
      timeoutMs: TIMEOUT_MS,
      signal,
    }),
  );
  if (answer === undefined) return [];
  if (!answer.ok || !syncResponse.Check(answer.body)) {
    const fault = answer.ok ? "answered in an unknown shape" : describeFault(answer);
    logger.warn({ fault }, "the homeserver did not list the pending invitations");
    return [];
  }
  return Object.entries(answer.body.rooms?.invite ?? {}).map(([room, { invite_state: shown }]) => [
    room,
    (shown?.events ?? []).filter((event) => stateEvent.Check(event)),
  ]);
};

export const createInvitations = (options: InvitationsOptions): Invitations => {
  const { requests, signal, logger } = options;
  const underWay = new Map<string, Promise<void>>();

  const run = (key: string, work: () => Promise<void>): void => {
    if (underWay.has(key) || signal.aborted) return;
    const done = work()
      .catch((err: unknown) => logger.error({ err }, "an invitation failed inside"))
      .finally(() => underWay.delete(key));
    underWay.set(key, done);
  };

  const take = (room: string, state: readonly StateEvent[]): void => {
    const own = state.findLast(
      (event) => event.state_key === requests.userId && membershipOf(event) === "invite",
    );
    if (own) run(room, () => answerInvitation(options, room, own.sender));
  };

  return {
    take,
    takePending() {
      run("pending", async () => {
        for (const [room, state] of await askPending(options)) take(room, state);
      });
    },
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay.values());
    },
  };
};
