// SPDX-License-Identifier: Apache-2.0
// Starts the real webhook over real agent clients, with agents, clock and event sink that the test decides.
import { Registry } from "prom-client";
import type { Test } from "tap";
import { createAgentClient } from "../../server/webhook/agent-client.ts";
import { openAgentSets, type Resolve } from "../../server/webhook/agent-set.ts";
import { createAgentWriter } from "../../server/webhook/agent-writer.ts";
import { buildWebhookApp, type WebhookAppOptions } from "../../server/webhook/app.ts";
import { createHookMetrics } from "../../server/webhook/hook-routes.ts";
import { checksums } from "../hooks/hsmsecret/request.ts";
import { recordedLog } from "../http/recorded-log.ts";

type WebhookUnderTest = Partial<WebhookAppOptions> & {
  writeTokenFile?: string;
  /** By which the roles of a set grow old. */
  setClock?: () => number;
};

export const startWebhook = (
  t: Test,
  doubles: readonly { origin: string; resolve?: Resolve }[],
  { writeTokenFile, setClock = () => performance.now(), ...options }: WebhookUnderTest = {},
) => {
  const log = recordedLog();
  const registry = new Registry();
  const metrics = createHookMetrics(registry);
  const endpoints = doubles.map(({ origin, resolve }, i) => ({
    name: String.fromCharCode(97 + i),
    origin,
    ...(resolve && { isSet: true as const }),
  }));
  const resolve: Resolve = async (host) => doubles.find((one) => one.resolve)?.resolve?.(host) ?? [];
  const sets = openAgentSets(endpoints, { logger: log.logger, resolve, now: setClock, onRole: metrics.role });
  const agents = createAgentClient({
    agents: endpoints,
    sets,
    logger: log.logger,
    onExchange: metrics.agent,
  });
  const writer = createAgentWriter({
    agents: endpoints,
    sets,
    logger: log.logger,
    ...(writeTokenFile !== undefined && { tokenFile: writeTokenFile }),
  });
  const events: { uid: string; type: string; reason: string; message: string }[] = [];
  const app = buildWebhookApp({
    logger: log.logger,
    registry,
    metrics,
    agents,
    writer,
    policy: { get: () => [], fault: () => undefined },
    checksums: () => checksums,
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    clock: () => new Date("2026-01-02T03:04:05.678Z"),
    events: { post: (parent, event) => events.push({ uid: parent.metadata.uid, ...event }) },
    ...options,
  });
  t.teardown(async () => {
    await app.close();
    await Promise.all([agents.close(), writer.close()]);
  });
  return {
    app,
    log,
    events,
    post: (hook: string, payload: object, headers: Record<string, string> = {}) =>
      app.inject({ method: "POST", url: `/hooks/hsmsecret/${hook}`, payload, headers }),
  };
};
