// SPDX-License-Identifier: Apache-2.0
// Runs the real agent server over the in-memory store, for a machine without SoftHSM2; IPC messages set the token's content.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import closeWithGrace from "close-with-grace";
import { Registry } from "prom-client";
import { fromBase64Map } from "../../hooks/formats.ts";
import { bearerTokenFiles, buildAgentApp } from "../../server/agent/app.ts";
import { parseAgentConfig } from "../../server/agent/config.ts";
import { isLoopback } from "../../server/config/loopback.ts";
import { createLogger } from "../../server/log.ts";
import { createMemoryStore } from "./memory-store.ts";

/** `keys` null removes the secret; its values are base64. */
const Put = Type.Object({
  path: Type.String(),
  keys: Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()]),
});

const parsed = parseAgentConfig(process.env);
if (!parsed.ok) throw new Error(parsed.faults.map(({ name, message }) => `${name} ${message}`).join("\n"));
const { config } = parsed;
const logger = createLogger({ level: config.logLevel, role: "agent" });
const store = createMemoryStore();
const app = buildAgentApp({
  store,
  logger,
  registry: new Registry(),
  auth: {
    tokenFiles: bearerTokenFiles(config),
    clientCertificates: config.tls?.clientCaFile !== undefined,
    loopback: isLoopback(config.listenHost),
  },
  device: config.deviceName,
  node: config.nodeName,
  ...(config.tls && { tls: config.tls }),
});
process.on("message", (message: unknown) => {
  if (!Value.Check(Put, message)) throw new Error("not a message of the local run");
  if (message.keys === null) store.remove(message.path);
  else {
    store.put(message.path, Object.fromEntries(fromBase64Map(message.keys)));
  }
});
closeWithGrace({ logger: false }, async () => {
  await app.close();
  await store.close();
  process.disconnect?.();
});
await app.listen({ host: config.listenHost, port: config.listenPort });
