// SPDX-License-Identifier: Apache-2.0
// Runs a process with one bare fastify route that parses a body and answers what the webhook answers: the baseline of the
// webhook's figures.
import { Value } from "@sinclair/typebox/value";
import Fastify from "fastify";
import { ServerStart } from "./sync-bodies.ts";

process.once("message", async (message: unknown) => {
  if (!Value.Check(ServerStart, message)) throw new Error("not a start");
  const app = Fastify();
  app.post("/hooks/hsmsecret/sync", async () => message.answer);
  const address = await app.listen({ host: "127.0.0.1", port: 0 });
  process.send?.({ port: Number(new URL(address).port) });
});
