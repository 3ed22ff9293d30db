// SPDX-License-Identifier: Apache-2.0
// Tests that no two of those that choose ports at the same time choose the same one, before anything listens there.
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { Worker } from "node:worker_threads";
import t from "tap";
import { freePort } from "../../scripts/local/free-port.ts";

const EACH = 60;

/** Loads the module on its own, as another process does, and chooses; it lives until it is ended. */
const CHOOSER = `
  const { parentPort, workerData } = require("node:worker_threads");
  parentPort.on("message", () => {});
  import(workerData.module).then(async ({ freePort }) => {
    const ports = [];
    while (ports.length < workerData.count) ports.push(await freePort());
    parentPort.postMessage(ports);
  });`;

t.test("six that choose at the same time", async (t) => {
  const module = new URL("../../scripts/local/free-port.ts", import.meta.url).href;
  const choosers = Array.from(
    { length: 6 },
    () => new Worker(CHOOSER, { eval: true, workerData: { module, count: EACH } }),
  );
  t.teardown(() => Promise.all(choosers.map((chooser) => chooser.terminate())));
  const ports = (await Promise.all(choosers.map((chooser) => once(chooser, "message")))).flat(2);
  t.equal(ports.length, 6 * EACH);
  t.equal(new Set(ports).size, ports.length, "no port is chosen twice");
  t.ok(
    ports.every((port) => port >= 15_000 && port < 32_768),
    "no outgoing connection is given one of them",
  );
});

t.test("a port that something listens on is not given", async (t) => {
  const first = await freePort();
  const taken = createServer().listen(first + 1, "127.0.0.1");
  await once(taken, "listening");
  t.teardown(() => taken.close());
  const later: number[] = [];
  for (let count = 0; count < 2 * EACH; count += 1) later.push(await freePort());
  t.notOk(later.includes(first + 1));
  t.ok(later.includes(first), "one that is free again is");
});

t.test("more are given than a block has, where all of them are in use", async (t) => {
  const servers: Server[] = [];
  t.teardown(() => {
    for (const server of servers) server.close();
  });
  for (let count = 0; count < 3 * EACH; count += 1) {
    const server = createServer().listen(await freePort(), "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
  }
  t.equal(servers.length, 3 * EACH);
});
