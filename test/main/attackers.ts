// SPDX-License-Identifier: Apache-2.0
// Runs a process that attacks a listener, apart from the test so that its honest callers are not slowed.
import { Agent as KeptAgent, request } from "node:https";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls, createSecureContext } from "node:tls";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

export const Attack = Type.Object({
  kind: Type.Union([
    /** Requests that are never read. */
    Type.Literal("pipelined"),
    Type.Literal("idle-tls"),
    /** Connections on which no handshake begins. */
    Type.Literal("tcp"),
    /** Requests with credentials, all at once. */
    Type.Literal("requests"),
  ]),
  count: Type.Integer(),
  host: Type.String(),
  port: Type.Integer(),
  ca: Type.String(),
  request: Type.Optional(
    Type.Object({
      method: Type.String(),
      path: Type.String(),
      bearerToken: Type.String(),
      body: Type.Optional(Type.String()),
    }),
  ),
});
export type Attack = Static<typeof Attack>;

/** The status of each request, 0 where the connection was refused. */
export const Attacked = Type.Object({ statuses: Type.Array(Type.Integer()) });

const AT_ONCE = 50;
const PIPELINED = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3000);

/** `count` of them, some at a time. */
const many = async (count: number, one: () => Promise<unknown>): Promise<void> => {
  let begun = 0;
  const worker = async () => {
    while (begun < count) {
      begun += 1;
      await one();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
};

/** The socket once `event` has come, or it was closed. */
const opened = (socket: Socket, event: string): Promise<Socket> =>
  new Promise((resolve) => {
    socket.on("error", () => {});
    socket.once(event, () => resolve(socket)).once("close", () => resolve(socket));
  });

const requests = async (attack: Attack): Promise<number[]> => {
  const { host, port, ca, count, request: asked } = attack;
  const agent = new KeptAgent({ keepAlive: true, ca });
  const headers = { authorization: `Bearer ${asked?.bearerToken}`, "content-type": "application/json" };
  const one = () =>
    new Promise<number>((resolve) => {
      const outgoing = request({ host, port, agent, headers, method: asked?.method, path: asked?.path });
      outgoing.on("error", () => resolve(0)).end(asked?.body);
      outgoing.on("response", (answer) => {
        const status = Number(answer.statusCode);
        text(answer).then(
          () => resolve(status),
          () => resolve(0),
        );
      });
    });
  const statuses = await Promise.all(Array.from({ length: count }, one));
  agent.destroy();
  return statuses;
};

const attack = async (how: Attack): Promise<number[]> => {
  const { host, port, count } = how;
  const secureContext = createSecureContext({ ca: how.ca });
  const tls = () => opened(connectTls({ host, port, secureContext }), "secureConnect");
  switch (how.kind) {
    case "pipelined":
      await many(count, async () => (await tls()).pause().write(PIPELINED));
      return [];
    case "idle-tls":
      await many(count, tls);
      return [];
    case "tcp":
      await many(count, () => opened(connect({ host, port }), "connect"));
      return [];
    case "requests":
      return requests(how);
  }
};

process.on("message", async (message: unknown) => {
  if (!Value.Check(Attack, message)) throw new Error("not an attack");
  process.send?.({ statuses: await attack(message) });
});
