// SPDX-License-Identifier: Apache-2.0
// Tests that a soak counts what is not answered among the wrong answers, and goes on.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import t from "tap";
import { sendSteadily } from "../soak.ts";

t.test("requests whose connection is cut, or that are answered with something else than JSON", async (t) => {
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    if (asked % 2 === 0) request.socket.destroy();
    else response.end("no JSON");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const tally = { syncs: 0, wrong: 0, unavailable: 0 };
  await sendSteadily({ url: `http://127.0.0.1:${port}` }, ["{}"], "{}", tally, performance.now() + 200);
  t.ok(tally.syncs > 2, "the load goes on");
  t.equal(tally.wrong, tally.syncs);
});
