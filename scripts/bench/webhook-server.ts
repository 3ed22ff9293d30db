// SPDX-License-Identifier: Apache-2.0
// Runs a process with the webhook's app on agents that answer from memory.
import { Value } from "@sinclair/typebox/value";
import { Registry } from "prom-client";
import { createLogger } from "../../server/log.ts";
import { createAgentWriter } from "../../server/webhook/agent-writer.ts";
import { buildWebhookApp } from "../../server/webhook/app.ts";
import { CHECKSUMS, foundReading, ServerStart } from "./sync-bodies.ts";

process.once("message", async (message: unknown) => {
  if (!Value.Check(ServerStart, message)) throw new Error("not a start");
  const reading = foundReading(message.keys);
  const logger = createLogger({ level: "error", role: "webhook" });
  const app = buildWebhookApp({
    logger,
    registry: new Registry(),
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    agents: { read: async () => reading, states: () => [] },
    writer: createAgentWriter({ agents: [], logger }),
    policy: { get: () => [], fault: () => undefined },
    checksums: () => CHECKSUMS,
  });
  const address = await app.listen({ host: "127.0.0.1", port: 0 });
  process.send?.({ port: Number(new URL(address).port) });
});
