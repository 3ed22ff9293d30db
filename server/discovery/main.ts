// SPDX-License-Identifier: Apache-2.0
// Runs discovery: scans devices and serves the report. It needs no rights but to read sysfs and /dev.
import type { Logger } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import { authOf, tokenFile } from "../http/auth.ts";
import { buildDiscoveryApp } from "./app.ts";
import type { DiscoveryConfig } from "./config.ts";
import { DeviceScanner } from "./device-scanner.ts";
import { DeviceWatch } from "./device-watch.ts";
import { createDiscoveryMetrics, type DiscoveryMetrics } from "./metrics.ts";
import { readReaderList } from "./reader-list.ts";

/** A plug or unplug shows after this at the latest. Nothing tells of one: inotify sees no change of sysfs. */
const LOOK_EVERY_MS = 2000;
/** For what a look at names and device numbers does not show. */
const RESCAN_EVERY_MS = 30_000;
const STALE_MS = 15_000;

/** Discovery that listens. */
export type RunningDiscovery = { address: string; close(): Promise<void> };

const openWatch = async (
  config: DiscoveryConfig,
  metrics: DiscoveryMetrics,
  logger: Logger,
): Promise<DeviceWatch> => {
  const { readers, warning } = await readReaderList(config.readerLists);
  if (warning !== undefined) logger.warn(warning);
  const now = () => performance.now();
  const scanner = new DeviceScanner({
    ...config,
    readers,
    rescanEveryMs: RESCAN_EVERY_MS,
    now,
    onScan: metrics.scanned,
  });
  const look = () => scanner.look();
  return new DeviceWatch({ look, everyMs: LOOK_EVERY_MS, staleMs: STALE_MS, logger, metrics, now });
};

/**
 * Starts discovery. Devices that can't be read are no reason not to start: /readyz tells.
 * @throws UnusableFile or Node's listen error when the start fails.
 */
export const runDiscovery = async (config: DiscoveryConfig, logger: Logger): Promise<RunningDiscovery> => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const { tls } = config;
  const watch = await openWatch(config, createDiscoveryMetrics(registry), logger);
  const app = buildDiscoveryApp({
    current: () => watch.current(),
    logger,
    registry,
    auth: authOf(config, tokenFile("READ_TOKEN_FILE", config.readTokenFile, "read")),
    ...(tls && { tls }),
  });
  await watch.start();
  const close = async () => {
    await app.close();
    await watch.close();
  };
  try {
    return { address: await app.listen({ host: config.listenHost, port: config.listenPort }), close };
  } catch (error) {
    await close();
    throw error;
  }
};
