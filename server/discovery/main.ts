// SPDX-License-Identifier: Apache-2.0
// Runs discovery: scans devices, serves the report, and offers the devices to the kubelet. Of the node it reads sysfs and /dev.
import { stat } from "node:fs/promises";
import type { Logger } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import type { DiscoveryBody } from "../discovery-api/schema.ts";
import { authOf, tokenFile } from "../http/auth.ts";
import { monotonicClock } from "../time.ts";
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
/** gRPC lets go of a connection that is closed after 10 s. */
const COLLECT_AFTER_MS = 15_000;

/** Discovery that listens. */
export type RunningDiscovery = { address: string; close(): Promise<void> };

type Plugin = {
  follow(body: DiscoveryBody): void;
  /** Why a resource is not registered. */
  failure(): string | undefined;
  close(): Promise<void>;
};

/** The device plugin; undefined where the configuration has none. gRPC is loaded where there is a folder for its sockets. */
const openPlugin = async (
  { devicePluginDir: folder }: DiscoveryConfig,
  metrics: DiscoveryMetrics,
  logger: Logger,
): Promise<Plugin | undefined> => {
  if (folder === undefined) return undefined;
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) {
    const failure = `there is no folder ${folder} (DEVICE_PLUGIN_DIR): no device is offered to the kubelet. Mount its folder there and start again`;
    logger.warn(failure);
    return { follow: () => {}, failure: () => failure, close: async () => {} };
  }
  const { DevicePlugin } = await import("./device-plugin/device-plugin.ts");
  const plugin = new DevicePlugin({ folder, logger, metrics, clock: monotonicClock });
  plugin.start();
  return {
    follow: ({ devices }) => plugin.follow(devices),
    failure: () => plugin.failure,
    close: () => plugin.close(),
  };
};

type WatchParts = { metrics: DiscoveryMetrics; logger: Logger; plugin: Plugin | undefined };

const openWatch = async (
  config: DiscoveryConfig,
  { metrics, logger, plugin }: WatchParts,
): Promise<DeviceWatch> => {
  const { readers, warning } = await readReaderList(config.readerLists);
  if (warning !== undefined) logger.warn(warning);
  const { now } = monotonicClock;
  const scanner = new DeviceScanner({
    ...config,
    plugin: plugin !== undefined,
    readers,
    rescanEveryMs: RESCAN_EVERY_MS,
    now,
    onScan: metrics.scanned,
  });
  return new DeviceWatch({
    look: () => scanner.look(),
    everyMs: LOOK_EVERY_MS,
    staleMs: STALE_MS,
    ...(plugin && { onChange: plugin.follow }),
    logger,
    metrics,
    now,
  });
};

/**
 * Frees what the start has left, where Node lets it (--expose-gc, as in manifests/discovery). It runs on every node and makes so
 * little later that nothing else would for hours.
 */
const collectOnce = (): void => {
  const collect = () => globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  setTimeout(collect, COLLECT_AFTER_MS).unref();
};

/**
 * Starts discovery. Devices that can't be read and a kubelet that does not answer are no reason not to start: /readyz tells.
 * @throws UnusableFile or Node's listen error when the start fails.
 */
export const runDiscovery = async (config: DiscoveryConfig, logger: Logger): Promise<RunningDiscovery> => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const { tls } = config;
  const metrics = createDiscoveryMetrics(registry);
  const plugin = await openPlugin(config, metrics, logger);
  const watch = await openWatch(config, { metrics, logger, plugin });
  const app = buildDiscoveryApp({
    current: () => watch.current(),
    ...(plugin && { pluginFailure: plugin.failure }),
    logger,
    registry,
    auth: authOf(config, tokenFile("READ_TOKEN_FILE", config.readTokenFile, "read")),
    ...(tls && { tls }),
  });
  await watch.start();
  const close = async () => {
    await app.close();
    await watch.close();
    await plugin?.close();
  };
  try {
    const address = await app.listen({ host: config.listenHost, port: config.listenPort });
    collectOnce();
    return { address, close };
  } catch (error) {
    await close();
    throw error;
  }
};
