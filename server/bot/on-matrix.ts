// SPDX-License-Identifier: Apache-2.0
// The bot's life on Matrix: it joins, goes on with what its journal holds, listens, and has its device signed.

import type { Toggles } from "../kubernetes/toggles.ts";
import type { WatchedToggles } from "../kubernetes/watched-toggles.ts";
import type { EndReason, MatrixConnection } from "../matrix/connect.ts";
import { requestsOf } from "../matrix/crypto/homeserver-requests.ts";
import type { IncomingHandlers } from "../matrix/incoming.ts";
import { type Joined, type JoinOptions, joinMatrix } from "../matrix/join.ts";
import { tellOtherDevices } from "../matrix/other-devices.ts";
import { type DeviceStanding, signOwnDevice } from "../matrix/own-device.ts";
import type { Clock } from "../time.ts";
import type { Access } from "./access.ts";
import { createIdentityNotices, type IdentityNotices } from "./identity-notices.ts";
import type { BotMetrics } from "./metrics.ts";
import { type CommandRunner, createRunner } from "./runner.ts";

export type OnMatrixOptions = Pick<
  JoinOptions,
  "config" | "store" | "engine" | "http" | "exchange" | "logger" | "sleep" | "signal"
> & {
  readonly metrics: BotMetrics;
  readonly toggles: Toggles & Pick<WatchedToggles, "listed">;
  readonly access: Access;
  readonly clock: Clock;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly recoveryKey: Uint8Array | undefined;
  /** Whether the bot's device is signed, as often as that is looked at. */
  readonly onStanding: (standing: DeviceStanding) => void;
  /** After the first good sync. */
  readonly onSynced: () => void;
  /** It can't go on; the reason is for the operator. */
  readonly onEnded: (reason: string) => void;
};

export type OnMatrix = {
  /** When the last good sync was, on the clock of `now`. */
  lastGoodSync(): number | undefined;
  /** Ends within seconds; `signal` has to be aborted before. The store can be closed after it. */
  close(): Promise<void>;
};

const END_REASONS: Readonly<Record<EndReason, string>> = {
  "gave-up": "no sync with the homeserver worked for all the retries; the log says why",
  "device-changed": "the homeserver has ended the bot's device; the next start goes on with a new one",
  "login-refused":
    "the homeserver has ended the bot's session, and the log-in for another one was refused; the log says why",
};

/** How long the start waits for the first list of Toggles. */
const TOGGLES_MS = 3_000;

type Listening = { readonly runner: CommandRunner; readonly notices: IdentityNotices };

/** What is done with what comes in. Nothing comes in before there is somebody to take it. */
const handlersFor = (options: OnMatrixOptions, listening: () => Listening): IncomingHandlers => {
  const { metrics, logger } = options;
  return {
    onMessage(message, delivery) {
      const { runner, notices } = listening();
      runner.accept(message, delivery);
      notices.heard(message);
    },
    onPlainText(message) {
      metrics.refused("plain-text");
      void listening().runner.tell("plain-text", message);
    },
    onUndecryptable(message) {
      metrics.undecryptable();
      void listening().runner.tell("undecryptable", message);
    },
    onRefused(message, reason) {
      metrics.refused(reason);
      logger.warn({ room: message.room, user: message.sender, reason }, "a message was not obeyed");
      // The other reasons are an attacker's: whose name the message bears has not written it.
      if (reason !== "identity-changed" && reason !== "unsigned-device") return;
      const { runner, notices } = listening();
      if (!notices.heard(message)) void runner.tell(reason, message);
    },
    onRefresh: (answer, speaker) => void listening().runner.refresh(answer, speaker),
    onUnreadGap(room, id) {
      logger.warn({ room }, "messages of a room were left out by the homeserver, and are not all read");
      listening().runner.unread(room, id);
    },
    onLeft: (room, by) => logger.info({ room, by }, "the bot has left a room"),
  };
};

const startRunner = (options: OnMatrixOptions, { chat }: MatrixConnection): CommandRunner => {
  const { config } = options;
  const runner = createRunner({
    ...options,
    chat,
    defaultName: config.toggle.name,
    maxAgeSeconds: config.commandMaxAgeSeconds,
    echo: config.echoMode,
  });
  runner.start();
  return runner;
};

/** Begins at once; what goes wrong is told by `onEnded`. */
export const runOnMatrix = (options: OnMatrixOptions): OnMatrix => {
  const { metrics, logger, sleep, signal, toggles, access, now, onEnded } = options;
  let joined: Joined | undefined;
  let runner: CommandRunner | undefined;
  const notices = createIdentityNotices({
    chat: { send: (...args) => connected().connection.chat.send(...args) },
    clock: options.clock,
    acknowledge: (change) => connected().encryption.acknowledge(change),
  });
  const connected = (): Joined => {
    if (joined === undefined) throw new Error("there is no connection yet");
    return joined;
  };
  const listening = (): Listening => {
    if (runner === undefined) throw new Error("something came in before the bot listened");
    return { runner, notices };
  };

  const live = async (): Promise<void> => {
    const result = await joinMatrix({
      ...options,
      onIdentityChange(change) {
        metrics.identityChanged();
        notices.changed(change);
      },
      connection: {
        mayTalk: access.mayTalk,
        now,
        handlers: handlersFor(options, listening),
        onEnd: (reason) => onEnded(END_REASONS[reason]),
        onSync(outcome) {
          metrics.synced(outcome);
          if (outcome === "ok") options.onSynced();
        },
        onReconnect: () => metrics.reconnected(),
        onRenewal: (outcome) => {
          if (outcome === "ok") metrics.sessionRenewed();
        },
        onInvitation: metrics.invitation,
      },
    });
    if (result === undefined) return;
    if (!result.ok) return onEnded(result.reason);
    joined = result;
    const { connection, encryption, deviceId } = result;
    // What the journal holds is about Toggles; where the API server is away, the bot says so rather than wait for it.
    await Promise.race([toggles.listed, sleep(TOGGLES_MS, signal)]);
    // The end may have come before there was anything to end.
    if (signal.aborted) return connection.close();
    runner = startRunner(options, connection);
    connection.start();
    const request = requestsOf(connection.sdk);
    const { homeserver, auth } = options.config.matrix;
    await signOwnDevice({ ...options, encryption, request, auth });
    if (signal.aborted) return;
    await tellOtherDevices({ request, homeserver, userId: connection.userId, deviceId, logger });
  };
  const life = live().catch((err: unknown) => {
    logger.error({ err }, "the bot failed inside");
    onEnded("the bot failed inside; the log says where");
  });

  return {
    lastGoodSync: () => joined?.connection.lastGoodSync(),
    async close() {
      notices.close();
      await runner?.close();
      await joined?.connection.close();
      await life;
      await joined?.encryption.close();
    },
  };
};
