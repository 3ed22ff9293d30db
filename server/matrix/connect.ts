// SPDX-License-Identifier: Apache-2.0
// Connects the bot to Matrix once: session, encryption, sync loop, invitations, and the chat for answers.
import type { Logger } from "pino";
import type { Chat, IncomingHandlers } from "../bot/chat.ts";
import type { BotStore } from "../bot/store.ts";
import type { Sleep } from "../time.ts";
import { type AuthorizedRequests, createAuthorizedRequests } from "./authorized-requests.ts";
import { createChat } from "./chat.ts";
import { type BotClient, createClient } from "./client.ts";
import { type Encryption, forgetDevice } from "./crypto/encryption.ts";
import type { MatrixHttp } from "./http.ts";
import type { HttpExchange } from "./http-exchange.ts";
import { createIncoming } from "./incoming.ts";
import { createInvitations, type InvitationOutcome } from "./invitations.ts";
import { createLateKeys } from "./late-keys.ts";
import type { Session } from "./login/outcome.ts";
import { createMessageReplays } from "./message-replays.ts";
import { createRoomUpgrades } from "./room-upgrades.ts";
import { createRooms, type Rooms } from "./rooms.ts";
import type { OpenedSession } from "./session.ts";
import { createSyncLoop, type SyncLoopOptions, type SyncOutcome } from "./sync-loop.ts";
import { readTimelineGap } from "./timeline-gap.ts";
import { createVerifications } from "./verifications.ts";

/** Why the connection has ended by itself: the process is to end as well, and to be started anew. */
export type EndReason =
  /** The homeserver was away for all the retries. */
  | "gave-up"
  /** The bot has a new device. The store has its session, and no keys: those are made by the next start. */
  | "device-changed"
  /** The token was refused, and so was the log-in for another one. */
  | "login-refused";

export type MatrixConnectionOptions = {
  http: MatrixHttp;
  /** The connections of `http`, for the SDK's requests. */
  exchange: HttpExchange;
  session: Session;
  /** openSession of session.ts with its arguments and this `forgetDevice`: for when the homeserver refuses the token. */
  openSession: (forgetDevice: () => void) => Promise<OpenedSession>;
  store: BotStore;
  /** From openEncryption, for this session's device. */
  encryption: Pick<
    Encryption,
    "storage" | "flush" | "verdict" | "isProven" | "isUserId" | "abandon" | "verification"
  >;
  mayTalk: (user: string) => boolean;
  /** Ends the start: what is being asked of the homeserver then. After the start it means nothing. */
  starting?: AbortSignal;
  handlers: IncomingHandlers;
  logger: Logger;
  /** Milliseconds, monotonic. */
  now: () => number;
  sleep: Sleep;
  /** Called once. Nothing more is sent or taken in afterwards. */
  onEnd: (reason: EndReason) => void;
  onSync?: (outcome: SyncOutcome) => void;
  onReconnect?: (failures: number) => void;
  onRenewal?: (outcome: "ok" | "failed" | "device-changed") => void;
  onInvitation?: (outcome: InvitationOutcome) => void;
};

export type MatrixConnection = {
  /** Full id of the bot. */
  readonly userId: string;
  readonly chat: Chat;
  /** matrix-bot-sdk's client, for Encryption.start. */
  readonly sdk: BotClient["sdk"];
  /** Begins to sync. Encryption.start may be called before or after. */
  start(): void;
  /** When the last good sync was, on the clock of `now`; undefined before the first. */
  lastGoodSync(): number | undefined;
  /** What came in is finished and written; answers under way are given up. The store can be closed after it. */
  close(): Promise<void>;
};

/** How long the sync that is being taken in may take to end. */
const FINISH_MS = 5_000;

/** Ends all that is under way, and tells the reason once. */
const createEnding = (onEnd: MatrixConnectionOptions["onEnd"]) => {
  const ending = new AbortController();
  let isTold = false;
  const stop = (): void => ending.abort();
  const tellNothing = (): void => {
    isTold = true;
  };
  const end = (reason: EndReason): void => {
    stop();
    if (!isTold) onEnd(reason);
    tellNothing();
  };
  return { signal: ending.signal, stop, end, tellNothing };
};

type Ending = ReturnType<typeof createEnding>;

const authorizedRequests = (
  { http, session, openSession, store, encryption, now, logger, onRenewal }: MatrixConnectionOptions,
  end: (reason: EndReason) => void,
): AuthorizedRequests =>
  createAuthorizedRequests({
    http,
    session,
    openSession,
    forgetDevice() {
      encryption.abandon();
      forgetDevice(store);
    },
    now,
    logger,
    onDeviceChanged: () => end("device-changed"),
    onLogInRefused: () => end("login-refused"),
    ...(onRenewal !== undefined && { onRenewal }),
  });

/** What the bot sends by: requests with its session, its rooms, and its client, whose crypto machine is open. */
type Sender = { readonly requests: AuthorizedRequests; readonly rooms: Rooms; readonly client: BotClient };

/** @throws RequestFailed when the homeserver can't be asked who the bot is */
const openSender = async (options: MatrixConnectionOptions, ending: Ending): Promise<Sender> => {
  const { http, exchange, encryption, logger, starting } = options;
  const { signal, stop, end } = ending;
  const requests = authorizedRequests(options, end);
  const rooms = createRooms({ requests, signal, crypto: () => client });
  const client = await createClient({
    homeserver: http.homeserver,
    exchange,
    requests,
    encryption,
    members: (room) => rooms.members(room),
    logger,
    signal,
  });
  starting?.addEventListener("abort", stop);
  await client.prepare();
  starting?.removeEventListener("abort", stop);
  return { requests, rooms, client };
};

/** What takes in the syncs, and the invitations among what they bring. */
const createReceiver = (
  options: MatrixConnectionOptions,
  { requests, rooms, client }: Sender,
  { signal, end }: Ending,
  chat: Chat,
) => {
  const { store, encryption, mayTalk, handlers, logger, now, sleep, onInvitation, onSync, onReconnect } =
    options;
  const lateKeys = createLateKeys(store, now);
  const upgrades = createRoomUpgrades({ requests, store, sleep, signal, logger });
  const verifications =
    encryption.verification &&
    createVerifications({
      port: encryption.verification,
      requests,
      rooms,
      crypto: client,
      chat,
      mayTalk,
      sleep,
      signal,
      logger,
    });
  const invitations = createInvitations({
    requests,
    mayTalk,
    isExpected: upgrades.isExpected.bind(upgrades),
    sleep,
    signal,
    logger,
    ...(onInvitation !== undefined && { onInvitation }),
  });
  const incoming = createIncoming({
    userId: requests.userId,
    rooms,
    crypto: client,
    lateKeys,
    replays: createMessageReplays(store),
    invitations,
    upgrades,
    ...(verifications && { verifications }),
    readGap: (bounds) => readTimelineGap(requests, bounds, signal),
    mayTalk,
    handlers,
  });
  const flush: SyncLoopOptions["flush"] = (also, when) =>
    client.flush(() => {
      also();
      lateKeys.save();
    }, when);
  const connection = createSyncLoop({
    requests,
    store,
    signal,
    process: incoming.process,
    flush,
    waitAtMost: lateKeys.nextIn,
    now,
    sleep,
    logger,
    onGiveUp: () => end("gave-up"),
    ...(onSync !== undefined && { onSync }),
    ...(onReconnect !== undefined && { onReconnect }),
  });
  return { invitations, upgrades, verifications, connection };
};

/**
 * To be called after loadCryptoEngine and openEncryption. It opens the crypto machine.
 * @throws RequestFailed when the homeserver can't be asked who the bot is
 */
export const connectToMatrix = async (options: MatrixConnectionOptions): Promise<MatrixConnection> => {
  const { store, now, sleep } = options;
  const ending = createEnding(options.onEnd);
  const { signal, stop, tellNothing } = ending;
  const sender = await openSender(options, ending);
  const { requests, rooms, client } = sender;
  const chat = createChat({ requests, rooms, crypto: client, now, sleep, signal });
  const { invitations, upgrades, verifications, connection } = createReceiver(options, sender, ending, chat);
  return {
    userId: requests.userId,
    sdk: client.sdk,
    chat,
    start() {
      // A sync without a position brings the pending invitations by itself.
      if (store.get("sync", "token") !== undefined) invitations.takePending();
      upgrades.takePending();
      connection.start();
    },
    lastGoodSync: connection.lastGoodSync,
    async close() {
      tellNothing();
      // A homeserver that does not answer must not hold up the end; its sync comes again at the next start.
      void sleep(FINISH_MS, signal).then(stop);
      await connection.close();
      stop();
      await Promise.all([invitations.idle(), upgrades.idle(), verifications?.idle()]);
    },
  };
};
