// SPDX-License-Identifier: Apache-2.0
// Runs the bot: its store, the Toggles, its life on Matrix, and the listener for probes and metrics.
import type { Logger } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import type { BotConfig } from "../config/bot.ts";
import { isLoopback } from "../config/loopback.ts";
import { openToggles } from "../kubernetes/watched-toggles.ts";
import type { Running } from "../listening-role.ts";
import { loadCryptoEngine } from "../matrix/crypto/engine.ts";
import { createMatrixHttp } from "../matrix/http.ts";
import { createHttpExchange } from "../matrix/http-exchange.ts";
import { type DeviceStanding, readRecoveryKey } from "../matrix/own-device.ts";
import { sleep, wallClock } from "../time.ts";
import { createAccess } from "./access.ts";
import { buildBotApp } from "./app.ts";
import { createBotMetrics } from "./metrics.ts";
import { runOnMatrix } from "./on-matrix.ts";
import { openBotStore } from "./store.ts";

const now = () => performance.now();

/** @throws StoreInUse, UnusableFile, Error or Node's listen error when the start fails */
export const runBot = async (config: BotConfig, logger: Logger): Promise<Running> => {
  const { matrix, metricsTokenFile, tls } = config;
  const recoveryKey = readRecoveryKey(config.crypto.recoveryKeyFile);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metrics = createBotMetrics(registry);
  const engine = await loadCryptoEngine(config.crypto.engine);
  if (!engine.ok) throw new Error(engine.fault);
  logger.info({ engine: engine.engine }, "messages are encrypted by this engine");
  metrics.cryptoEngine(engine.engine);
  const store = openBotStore(config.crypto.storePath);
  const toggles = openToggles({
    config: config.kubernetes,
    namespace: config.toggle.namespace,
    logger,
    onExchange: ({ verb, outcome }) => metrics.apiRequest(verb, outcome),
    onWatch: (event) => {
      if (event === "up" || event === "down") metrics.watching(event === "up");
    },
  });
  const exchange = createHttpExchange(matrix.caFile === undefined ? {} : { caFile: matrix.caFile });
  const closing = new AbortController();
  const synced = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  let lastSyncAt: () => number | undefined = () => undefined;
  let device: DeviceStanding | undefined;
  const app = buildBotApp({
    logger,
    registry,
    auth: {
      tokenFiles:
        metricsTokenFile === undefined
          ? []
          : [{ variable: "METRICS_TOKEN_FILE", path: metricsTokenFile, scopes: ["metrics"] }],
      clientCertificates: tls?.clientCaFile !== undefined,
      loopback: isLoopback(config.listenHost),
    },
    lastSyncAt: () => lastSyncAt(),
    toggles: () => toggles,
    device: () => device,
    now,
    ...(tls && { tls }),
  });
  await app.listen({ host: config.listenHost, port: config.listenPort });
  const onMatrix = runOnMatrix({
    config,
    store,
    engine,
    http: createMatrixHttp({ homeserver: matrix.homeserver, exchange }),
    exchange,
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
    recoveryKey,
    onStanding(standing) {
      device = standing;
      metrics.deviceSigned(standing.isSigned);
    },
    onSynced: synced.resolve,
    onEnded: ended.resolve,
  });
  lastSyncAt = onMatrix.lastGoodSync;
  return {
    ready: synced.promise,
    ended: ended.promise,
    async close() {
      closing.abort();
      await onMatrix.close();
      await app.close();
      await Promise.all([toggles.close(), exchange.close()]);
      store.close();
    },
  };
};
