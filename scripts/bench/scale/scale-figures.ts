// SPDX-License-Identifier: Apache-2.0
// Measures unchanged resyncs of so many HSMSecrets, and syncs of Toggles: rate, processor time, memory, and what the agent is asked for.
import type { Static } from "@sinclair/typebox";
import { type ServerProcess, startServerProcess } from "../../local/server-process.ts";
import { answeredReads } from "../answered-reads.ts";
import type { MeasuringProcess } from "../measuring-process.ts";
import { rounded } from "../quantile.ts";
import { startByteRelay } from "../set/byte-relay.ts";
import { makeScaleToken } from "./scale-token.ts";
import type { SyncLoad, SyncLoaded } from "./sync-load.ts";

const CONNECTIONS = 32;
const SECONDS = 3;

export type Load = MeasuringProcess<typeof SyncLoaded>;
export type LoadOf = Omit<Static<typeof SyncLoad>, "connections"> &
  Partial<Pick<Static<typeof SyncLoad>, "connections">>;

/** @throws Error where an answer was not 200 */
export const loadWith = async (load: Load, what: LoadOf): Promise<Static<typeof SyncLoaded>> => {
  const done = await load.ask({ connections: CONNECTIONS, ...what });
  if (done.failed > 0) throw new Error(`${done.failed} of ${done.syncs} syncs were not answered with 200`);
  return done;
};

export interface ScaleFigures {
  readonly objects: number;
  readonly perSecond: number;
  readonly p95: number;
  /** Microseconds of processor for a sync. */
  readonly webhookCpu: number;
  readonly agentCpu: number;
  /** MiB resident under the load. */
  readonly memory: Readonly<Record<"webhook" | "agent" | "child", number>>;
  /** Requests to the agent, those of them that were answered with 304 in percent, and bytes that came back, headers and all. */
  readonly requestsEach: number;
  readonly unchangedPercent: number;
  readonly bytesEach: number;
}

const startWebhook = (agents: string): Promise<ServerProcess> =>
  startServerProcess("webhook", { AGENTS: agents, LOG_LEVEL: "error" });

/** One resync of each object through a relay: what it asks of the agent. */
const measureWire = async (agent: ServerProcess, load: Load, what: Omit<LoadOf, "ports" | "seconds">) => {
  const relay = await startByteRelay(`127.0.0.1:${agent.port}`);
  const webhook = await startWebhook(`bench=http://${relay.address}`);
  try {
    // The readiness of the webhook asks nothing of the agent.
    const before = await answeredReads(agent);
    const { syncs } = await loadWith(load, { ...what, ports: [webhook.port], seconds: 0 });
    const after = await answeredReads(agent);
    const asked = after.all - before.all;
    return {
      requestsEach: asked / syncs,
      unchangedPercent: (100 * (after.unchanged - before.unchanged)) / asked,
      bytesEach: rounded(relay.bytes() / syncs),
    };
  } finally {
    await webhook.stop();
    await relay.close();
  }
};

/** `made`: the most objects of any such measurement. */
export const measureScale = async (
  folder: string,
  load: Load,
  keys: Readonly<Record<string, string>>,
  { objects, made }: { objects: number; made: number },
): Promise<ScaleFigures> => {
  const what = { kind: "hsmsecret", keys, objects, made } as const;
  const token = await makeScaleToken(folder, objects, keys);
  const agent = await token.startAgent();
  try {
    const wire = await measureWire(agent, load, what);
    const webhook = await startWebhook(`bench=${agent.url}`);
    try {
      const ports = [webhook.port];
      await loadWith(load, { ...what, ports, seconds: SECONDS });
      const [webhookBefore, agentBefore] = [webhook.cpuSeconds(), agent.cpuSeconds()];
      const { syncs, perSecond, timing } = await loadWith(load, { ...what, ports, seconds: SECONDS });
      const each = (seconds: number): number => rounded((1e6 * seconds) / syncs);
      const { own, children } = agent.memory();
      return {
        objects,
        perSecond,
        p95: timing.p95,
        webhookCpu: each(webhook.cpuSeconds() - webhookBefore),
        agentCpu: each(agent.cpuSeconds() - agentBefore),
        memory: {
          webhook: webhook.memory().own.now,
          agent: own.now,
          child: Math.max(0, ...children.map(({ now }) => now)),
        },
        ...wire,
      };
    } finally {
      await webhook.stop();
    }
  } finally {
    await agent.stop();
    token.remove();
  }
};

export interface ToggleFigures {
  readonly objects: number;
  readonly perSecond: number;
  readonly webhookCpu: number;
  readonly memory: number;
}

export const measureToggles = async (load: Load, objects: number): Promise<ToggleFigures> => {
  const webhook = await startWebhook("none=http://127.0.0.1:9");
  try {
    const ports = [webhook.port];
    const what = { kind: "toggle" as const, keys: {}, objects, made: objects, ports };
    await loadWith(load, { ...what, seconds: SECONDS });
    const before = webhook.cpuSeconds();
    const { syncs, perSecond } = await loadWith(load, { ...what, seconds: SECONDS });
    const webhookCpu = rounded((1e6 * (webhook.cpuSeconds() - before)) / syncs);
    return { objects, perSecond, webhookCpu, memory: webhook.memory().own.now };
  } finally {
    await webhook.stop();
  }
};
