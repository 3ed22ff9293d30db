// SPDX-License-Identifier: Apache-2.0
// Runs the bot: prints its configuration, opens the store, watches the Toggles, connects to the chat, and listens for probes
// and metrics.
import type { Logger } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import { startupTable } from "../config/startup-table.ts";
import type { Environment } from "../config/variables.ts";
import { authOf, tokenFile } from "../http/auth.ts";
import { openToggles, type WatchedToggles } from "../kubernetes/toggles.ts";
import type { RunningRole } from "../listening-role.ts";
import { sleep, wallClock } from "../time.ts";
import { createAccess } from "./access.ts";
import { buildBotApp } from "./app.ts";
import type { AccountCheck, DeviceTrust, OpenChat } from "./chat.ts";
import { BOT_VARIABLES, type BotConfig } from "./config.ts";
import { startLifecycle } from "./lifecycle.ts";
import { type BotMetrics, createBotMetrics } from "./metrics.ts";
import { openBotStore } from "./store.ts";

/** One entry of the log for each line of the table: aligned where the log is read as it is, and still one JSON a line. */
export const announceBot = (config: BotConfig, env: Environment, logger: Logger): void => {
  for (const line of startupTable(env, BOT_VARIABLES)) logger.info(line);
  for (const warning of config.matrix.warnings) logger.warn(warning);
};

const now = () => performance.now();

const watchToggles = (config: BotConfig, logger: Logger, metrics: BotMetrics): WatchedToggles =>
  openToggles({
    config: config.kubernetes,
    namespace: config.toggle.namespace,
    logger,
    onExchange: ({ verb, outcome }) => metrics.apiRequest(verb, outcome),
    onWatch: (event) => {
      if (event === "up" || event === "down") metrics.watching(event === "up");
    },
  });

/** @throws StoreInUse, UnusableFile, Error or Node's listen error when the start fails */
export const runBot = async (config: BotConfig, logger: Logger, openChat: OpenChat): Promise<RunningRole> => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metrics = createBotMetrics(registry);
  const network = await openChat(config, logger);
  metrics.cryptoEngine(network.engine);
  const store = openBotStore(config.crypto.storePath);
  const toggles = watchToggles(config, logger, metrics);
  const closing = new AbortController();
  const synced = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  let lastSyncAt: () => number | undefined = () => undefined;
  let device: DeviceTrust | undefined;
  const account = new Map<AccountCheck["problem"], AccountCheck>();
  const app = buildBotApp({
    logger,
    registry,
    auth: authOf(config, tokenFile("METRICS_TOKEN_FILE", config.metricsTokenFile, "metrics")),
    lastSyncAt: () => lastSyncAt(),
    toggles: () => toggles,
    device: () => device,
    account: () => [...account.values()],
    now,
    ...(config.tls !== undefined && { tls: config.tls }),
  });
  await app.listen({ host: config.listenHost, port: config.listenPort });
  const life = startLifecycle({
    config,
    store,
    network,
    toggles,
    access: createAccess(config.allowedUsers, (annotation) =>
      logger.warn(annotation, "an annotation can't be read: it lets nobody use the Toggle"),
    ),
    metrics,
    logger,
    clock: wallClock,
    now,
    sleep: (ms, signal) => sleep(wallClock, ms, signal),
    signal: closing.signal,
    onDeviceTrust(trust) {
      device = trust;
      metrics.deviceSigned(trust.isSigned);
    },
    onAccountCheck(check) {
      account.set(check.problem, check);
      metrics.accountProblem(check.problem, check.count);
    },
    onSynced: synced.resolve,
    onEnded: ended.resolve,
  });
  lastSyncAt = life.lastGoodSync;
  return {
    ready: synced.promise,
    ended: ended.promise,
    async close() {
      closing.abort();
      await life.close();
      await app.close();
      await Promise.all([toggles.close(), network.close()]);
      store.close();
    },
  };
};
