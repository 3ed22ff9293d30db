// SPDX-License-Identifier: Apache-2.0
// Serves one route by fastify and nothing else: what the idle memory of the product is held against. Plain JavaScript, as the
// product's bundles are: type stripping would add to it.
import Fastify from "fastify";

const app = Fastify();
app.get("/readyz", async () => ({ status: "ready" }));
await app.listen({ host: "127.0.0.1", port: Number(process.env.LISTEN_PORT) });
