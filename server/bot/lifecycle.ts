// SPDX-License-Identifier: Apache-2.0
// Starts and stops the bot in its chat: connects, resumes the commands in its journal, and handles what comes in.
import type { Logger } from "pino";
import type { WatchedToggles } from "../kubernetes/toggles.ts";
import type { Clock, Sleep } from "../time.ts";
import type { Access } from "./access.ts";
import type {
  Chat,
  ChatNetwork,
  ConnectChatOptions,
  ConnectedChat,
  DeviceTrust,
  IncomingHandlers,
  Message,
} from "./chat.ts";
import type { BotConfig } from "./config.ts";
import type { BotMetrics } from "./metrics.ts";
import { createIdentityNotices, type IdentityNotices } from "./notices.ts";
import { type CommandRunner, createRunner } from "./runner.ts";
import type { BotStore } from "./store.ts";

export type LifecycleOptions = {
  readonly config: Pick<
    BotConfig,
    "toggle" | "commandMaxAgeSeconds" | "echoMode" | "addressing" | "timeZone"
  >;
  readonly store: BotStore;
  readonly network: Pick<ChatNetwork, "connect">;
  readonly toggles: WatchedToggles;
  readonly access: Access;
  readonly metrics: BotMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly sleep: Sleep;
  /** Ends the start. */
  readonly signal: AbortSignal;
  /** Whether the bot's device is signed, as often as that is looked at. */
  readonly onDeviceTrust: (trust: DeviceTrust) => void;
  readonly onAccountCheck: ConnectChatOptions["onAccountCheck"];
  /** After the first good sync. */
  readonly onSynced: () => void;
  /** It can't go on; the reason is for the operator. */
  readonly onEnded: (reason: string) => void;
};

export type BotLifecycle = {
  /** When the last good sync was, on the clock of `now`. */
  lastGoodSync(): number | undefined;
  /** Ends within seconds; `signal` has to be aborted before. The store can be closed after it. */
  close(): Promise<void>;
};

/** How long the start waits for the first list of Toggles. */
const TOGGLES_MS = 3_000;

/** Who takes what comes in. */
type Takers = { readonly notices: IdentityNotices; runner(): CommandRunner };

/** What is done with what comes in. Nothing comes in before there is somebody to take it. */
const handlersFor = (
  { metrics, logger }: LifecycleOptions,
  { notices, runner }: Takers,
): IncomingHandlers => {
  /** Small talk that was not obeyed would not have been without that. */
  const tell = (about: "plain-text" | "identity-changed" | "unsigned-device", message: Message): void => {
    if (runner().concerns(message)) void runner().tell(about, message);
  };
  return {
    onMessage(message, delivery) {
      runner().accept(message, delivery);
      notices.heard(message);
    },
    onPlainText(message) {
      metrics.refused("plain-text");
      tell("plain-text", message);
    },
    onUndecryptable(message) {
      metrics.undecryptable();
      void runner().tell("undecryptable", message);
    },
    onRefused(message, reason) {
      metrics.refused(reason);
      logger.warn({ room: message.room, user: message.sender, reason }, "a message was not obeyed");
      // The other reasons are an attacker's: whose name the message bears has not written it.
      if (reason !== "identity-changed" && reason !== "unsigned-device") return;
      if (!notices.heard(message)) tell(reason, message);
    },
    onConfirm: (question, source) => runner().confirm(question, source),
    onRefresh: (answer, source) => void runner().refresh(answer, source),
    onRedacted: (room, id) => runner().redacted(room, id),
    onUnreadGap(room, id) {
      logger.warn({ room }, "messages of a room were left out by the homeserver, and are not all read");
      runner().unread(room, id);
    },
    onLeft: (room, by) => logger.info({ room, by }, "the bot has left a room"),
  };
};

const startRunner = (options: LifecycleOptions, chat: Chat): CommandRunner => {
  const { config } = options;
  const runner = createRunner({
    ...options,
    chat,
    defaultName: config.toggle.name,
    maxAgeSeconds: config.commandMaxAgeSeconds,
    echo: config.echoMode,
    addressing: config.addressing,
    timeZone: config.timeZone,
  });
  runner.start();
  return runner;
};

/** Joins the chat, and counts what its connection goes through. */
const connect = (options: LifecycleOptions, takers: Takers): ReturnType<ChatNetwork["connect"]> => {
  const { network, metrics, access, onSynced, onEnded } = options;
  return network.connect({
    ...options,
    mayTalk: access.mayTalk,
    handlers: handlersFor(options, takers),
    onIdentityChange(change) {
      metrics.identityChanged();
      takers.notices.changed(change);
    },
    onLogIn: metrics.loggedIn,
    onSync(outcome) {
      metrics.synced(outcome);
      if (outcome === "ok") onSynced();
    },
    onReconnect: metrics.reconnected,
    onRenewal: metrics.sessionRenewed,
    onInvitation: metrics.invitation,
    onEnd: onEnded,
  });
};

/** Begins at once; what goes wrong is told by `onEnded`. */
export const startLifecycle = (options: LifecycleOptions): BotLifecycle => {
  const { logger, sleep, signal, toggles, onEnded } = options;
  let joined: ConnectedChat | undefined;
  let runner: CommandRunner | undefined;
  const connected = (): ConnectedChat => {
    if (joined === undefined) throw new Error("there is no connection yet");
    return joined;
  };
  const notices = createIdentityNotices({
    chat: { send: (...args) => connected().chat.send(...args) },
    clock: options.clock,
    acknowledge: (change) => connected().acknowledge(change),
  });
  const listening = (): CommandRunner => {
    if (runner === undefined) throw new Error("something came in before the bot listened");
    return runner;
  };
  const live = async (): Promise<void> => {
    const result = await connect(options, { notices, runner: listening });
    if (result === undefined) return;
    if (!result.ok) return onEnded(result.reason);
    joined = result;
    // What the journal holds is about Toggles; where the API server is away, the bot says so rather than wait for it.
    await Promise.race([toggles.listed, sleep(TOGGLES_MS, signal)]);
    // The end may have come before there was anything to end.
    if (signal.aborted) return joined.close();
    runner = startRunner(options, joined.chat);
    await joined.start();
  };
  const life = live().catch((err: unknown) => {
    logger.error({ err }, "the bot failed inside");
    onEnded("the bot failed inside; the log says where");
  });
  return {
    lastGoodSync: () => joined?.lastGoodSync(),
    async close() {
      notices.close();
      await runner?.close();
      await joined?.close();
      await life;
    },
  };
};
