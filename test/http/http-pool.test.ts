// SPDX-License-Identifier: Apache-2.0
// Tests which requests a pool of kept connections sends once more, and when.
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import t, { type Test } from "tap";
import { connectionFault } from "../../server/http/connection-fault.ts";
import { openHttpPool } from "../../server/http/http-pool.ts";

type Answer = RequestListener;
const answers: Record<"whole" | "closed" | "cut", Answer> = {
  whole: (_, response) => response.end("{}"),
  closed: (request) => request.socket.destroy(),
  /** Its head comes, and half of its body. */
  cut: (request, response) => {
    response.writeHead(200, { "content-length": "4" });
    response.write("{ ", () => request.socket.destroy());
  },
};

/** What a request comes to, and how many of it a server saw that has just answered another on the same connection. */
const sent = async (t: Test, turns: readonly Answer[], repeatable: boolean) => {
  let seen = 0;
  const server = createServer((request, response) => {
    const turn = [answers.whole, ...turns][seen] ?? answers.whole;
    seen += 1;
    turn(request, response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const pool = openHttpPool({ origin: `http://127.0.0.1:${port}`, connectTimeoutMs: 1000, connections: 1 });
  t.teardown(async () => {
    await pool.close();
    server.close();
    server.closeAllConnections();
  });
  const request = { method: "PUT", path: "/", body: "{}", signal: AbortSignal.timeout(10_000) } as const;
  const text = async (mayRepeat: boolean): Promise<string> => {
    const { body } = await pool.send({ ...request, repeatable: mayRepeat });
    return body.text();
  };
  await text(false);
  const outcome = await text(repeatable).catch((error: unknown) => connectionFault(error));
  return { outcome, requests: seen - 1 };
};

const CLOSED = { kind: "unreachable", what: "closed the connection", stale: true };
const { whole, closed, cut } = answers;
const ROWS: readonly [
  sentence: string,
  turns: readonly Answer[],
  repeatable: boolean,
  outcome: unknown,
  requests: number,
][] = [
  ["a connection that was closed costs a repeatable request nothing", [closed, whole], true, "{}", 2],
  ["it is sent once more, and not a third time", [closed, closed, whole], true, CLOSED, 2],
  ["another request is not sent again", [closed, whole], false, CLOSED, 1],
  ["an answer that has begun is not asked for again", [cut, whole], true, CLOSED, 1],
];

for (const [sentence, turns, repeatable, outcome, requests] of ROWS) {
  t.test(sentence, async (t) => t.same(await sent(t, turns, repeatable), { outcome, requests }));
}
