// SPDX-License-Identifier: Apache-2.0
// A process with the webhook's app whose agents answer at once from memory.
import { Value } from "@sinclair/typebox/value";
import { Registry } from "prom-client";
import { createLogger } from "../../server/log.ts";
import { buildWebhookApp } from "../../server/webhook/app.ts";
import { foundReading, ServerStart } from "./sync-bodies.ts";

process.once("message", async (message: unknown) => {
  if (!Value.Check(ServerStart, message)) throw new Error("not a start");
  const reading = foundReading(message.keys);
  const app = buildWebhookApp({
    logger: createLogger({ level: "error", role: "webhook" }),
    registry: new Registry(),
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    agents: { read: async () => reading, states: () => [] },
    policy: { get: () => [], fault: () => undefined },
  });
  const address = await app.listen({ host: "127.0.0.1", port: 0 });
  process.send?.({ port: Number(new URL(address).port) });
});
