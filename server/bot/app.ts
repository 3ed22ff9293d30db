// SPDX-License-Identifier: Apache-2.0
// Builds the bot's HTTP server without listening: probes and metrics, nothing else.
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { TlsFiles } from "../config/listener.ts";
import type { AuthOptions } from "../http/auth.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import type { ReadyCheck } from "../http/probes.ts";
import { buildServer } from "../http/server.ts";
import type { Toggles } from "../kubernetes/toggles.ts";
import type { AccountCheck, DeviceTrust } from "./chat.ts";

export type BotAppOptions = {
  logger: Logger;
  registry: Registry;
  auth: AuthOptions;
  /** When the last sync succeeded, on the clock of `now`; undefined before the first. */
  lastSyncAt: () => number | undefined;
  /** Undefined before the watch was started. */
  toggles: () => Pick<Toggles, "state"> | undefined;
  /** Undefined before it is known. */
  device: () => DeviceTrust | undefined;
  /** What was looked at of the bot's account so far. */
  account: () => readonly AccountCheck[];
  /** Milliseconds, monotonic: a wall clock that is set must not restart the bot. */
  now: () => number;
  tls?: TlsFiles;
};

/** A sync that finds nothing new ends after 30 s; what is older than this has failed several times. */
export const READY_WITHIN_MS = 2 * 60_000;

/** Longer than the 20 retries of a lost connection, which take 16 minutes: only a bot that is stuck is restarted. */
export const ALIVE_WITHIN_MS = 20 * 60_000;

const ACCOUNT_CHECKS = { "no-backup": "backup", "old-devices": "old-devices" } as const;

/** The bot. It is alive while it syncs now and then, and ready while it syncs and sees the Toggles. */
export const buildBotApp = (options: BotAppOptions): KeyswitchServer => {
  const { logger, registry, auth, tls, lastSyncAt, toggles, device, account, now } = options;
  const startedAt = now();
  const synced = (withinMs: number, since: number | undefined): ReadyCheck => {
    const age = since === undefined ? Number.POSITIVE_INFINITY : now() - since;
    const ok = age <= withinMs;
    const message =
      lastSyncAt() === undefined
        ? "no sync with the homeserver yet"
        : `the last sync with the homeserver was ${Math.round(age / 1000)} s ago`;
    return { name: "sync", ok, required: true, ...(!ok && { message }) };
  };
  const watching = (): ReadyCheck => {
    const { ok, message } = toggles()?.state() ?? { ok: false, message: "the watch was not started yet" };
    return { name: "toggles", ok, required: true, ...(message !== undefined && { message }) };
  };
  /** Never a reason to be unready: the bot works, but clients warn of it. */
  const signed = (): ReadyCheck[] => {
    const trust = device();
    if (trust === undefined) return [];
    const { isSigned: ok } = trust;
    return [{ name: "device", ok, required: false, ...(!trust.isSigned && { message: trust.message }) }];
  };
  const kept = (): ReadyCheck[] =>
    account().map(({ problem, count, message }) => ({
      name: ACCOUNT_CHECKS[problem],
      ok: count === 0,
      required: false,
      ...(message !== undefined && { message }),
    }));
  return buildServer({
    logger,
    registry,
    auth,
    alive: () => [synced(ALIVE_WITHIN_MS, lastSyncAt() ?? startedAt)],
    ready: () => [synced(READY_WITHIN_MS, lastSyncAt()), watching(), ...signed(), ...kept()],
    ...(tls !== undefined && { tls }),
  });
};
