// SPDX-License-Identifier: Apache-2.0
// Runs a process with the webhook's app and one set of agents, whose host resolves to the addresses that it is started with.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Registry } from "prom-client";
import { createLogger } from "../../../server/log.ts";
import { createAgentClient } from "../../../server/webhook/agent-client.ts";
import { openAgentSets } from "../../../server/webhook/agent-set.ts";
import { createAgentWriter } from "../../../server/webhook/agent-writer.ts";
import { buildWebhookApp } from "../../../server/webhook/app.ts";
import { CHECKSUMS } from "../sync-bodies.ts";

/** `tokenFile`: what the agents are read with. */
export const SetWebhookStart = Type.Object({
  addresses: Type.Array(Type.String(), { minItems: 1 }),
  port: Type.Integer(),
  tokenFile: Type.String(),
});
export type SetWebhookStart = Static<typeof SetWebhookStart>;

process.once("message", async (message: unknown) => {
  if (!Value.Check(SetWebhookStart, message)) throw new Error("not a start");
  const { addresses, port, tokenFile } = message;
  const logger = createLogger({ level: "fatal", role: "webhook" });
  const agents = [{ name: "bench", origin: `http://set.invalid:${port}`, isSet: true as const }];
  const access = { tokenFile, logger };
  const sets = openAgentSets(agents, { ...access, resolve: async () => addresses });
  const app = buildWebhookApp({
    logger,
    registry: new Registry(),
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    agents: createAgentClient({ agents, sets, ...access }),
    writer: createAgentWriter({ agents, sets, logger }),
    policy: { get: () => [], fault: () => undefined },
    checksums: () => CHECKSUMS,
  });
  const address = await app.listen({ host: "127.0.0.1", port: 0 });
  process.send?.({ port: Number(new URL(address).port) });
});
