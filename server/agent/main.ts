// SPDX-License-Identifier: Apache-2.0
// Runs the agent: loads its configuration, opens the token's store, and listens.
import type { Logger } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import { authOf } from "../http/auth.ts";
import type { AgentConfig } from "./config.ts";
import { type AgentMetrics, createAgentMetrics } from "./metrics.ts";
import type { StartedProcess } from "./pkcs11/parent/child-process.ts";
import { createPkcs11Store } from "./pkcs11/parent/store.ts";
import type { TokenEvents } from "./pkcs11/parent/supervisor.ts";
import type { Health, SecretStore } from "./store.ts";

/** An agent that listens. `close` waits for the requests under way, then lets go of the token. */
export type RunningAgent = { address: string; close(): Promise<void> };

/** Logs when the token's state changes, and not at every repetition of it. */
const logHealth = (logger: Logger): TokenEvents["health"] => {
  let last = "";
  return (health: Health) => {
    const said = health.ready ? "ready" : `${health.code} ${health.message}`;
    if (said === last) return;
    last = said;
    if (health.ready) logger.info("the token can be read");
    else logger.warn({ code: health.code, reason: health.message }, "the token can't be read");
  };
};

const openStore = (
  config: AgentConfig,
  { events, provisioned }: AgentMetrics,
  logger: Logger,
  firstProcess: StartedProcess | undefined,
): SecretStore => {
  const tellHealth = logHealth(logger);
  const soPinFile = config.pkcs11.provision?.soPinFile;
  return createPkcs11Store({
    pkcs11: config.pkcs11,
    // A mirror writes what the primary has, though nobody else may write to it.
    ...((config.writeTokenFile ?? config.roleTokenFile) !== undefined && { writes: config.writes }),
    recovered: (paths) => logger.warn({ paths }, "writes that were cut off have been completed or undone"),
    provisioned: () => {
      provisioned();
      logger.warn({ soPinFile }, "a blank token was set up; move its SO PIN out of the file to a safe place");
    },
    ...(firstProcess !== undefined && { firstProcess }),
    operationTimeoutMs: config.operationTimeoutMs,
    refreshIntervalMs: config.refreshIntervalMs,
    events: {
      ...events,
      health: (health) => {
        events.health(health);
        tellHealth(health);
      },
      childStarted: (reason) => {
        events.childStarted(reason);
        logger.debug({ reason }, "PKCS#11 child process started");
      },
    },
  });
};

/** What only a member of a set of HSMs needs is loaded for one. */
const openSet = async (config: AgentConfig, store: SecretStore, logger: Logger) => {
  const { openSet: open } = await import("./role/open-set.ts");
  return open({ config, store, logger });
};

/**
 * Starts the agent. A token that can't be read is no reason not to start: it may be plugged in later. `firstProcess`: one that
 * was started for the store's first child.
 * @throws UnusableFile or Node's listen error when the start fails.
 */
export const runAgent = async (
  config: AgentConfig,
  logger: Logger,
  firstProcess?: StartedProcess,
): Promise<RunningAgent> => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metrics = createAgentMetrics(registry);
  const store = openStore(config, metrics, logger, firstProcess);
  const { tls } = config;
  try {
    // After the store is open: its child loads the token while this process loads the server.
    const { bearerTokenFiles, buildAgentApp } = await import("./app.ts");
    const set = config.roleTokenFile === undefined ? undefined : await openSet(config, store, logger);
    const app = buildAgentApp({
      store,
      logger,
      registry,
      metrics,
      auth: authOf(config, bearerTokenFiles(config)),
      device: config.deviceName,
      node: config.nodeName,
      sysfsRoot: config.sysfsRoot,
      ...(set !== undefined && { set }),
      ...(config.writes.reservedObjects !== undefined && { reservedObjects: config.writes.reservedObjects }),
      ...(tls !== undefined && { tls }),
    });
    const address = await app.listen({ host: config.listenHost, port: config.listenPort });
    return {
      address,
      async close() {
        await app.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
};
