// SPDX-License-Identifier: Apache-2.0
// Tests fairness between callers on real connections: connections, time, unanswered requests and memory.
import { once } from "node:events";
import { request as startRequest } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { eventually } from "../../scripts/local/eventually.ts";
import { buildServer, type Limits } from "../../server/http/server.ts";
import { createAuthority } from "./authority.ts";
import { recordedLog } from "./recorded-log.ts";

const authority = createAuthority(t.testdir({}), "ours");
const { certFile, keyFile } = authority.issue("server");
const bearerToken = "a-token-of-this-test";
const GET = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const READ = `GET /read HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${bearerToken}\r\n\r\n`;

/** 20 MB: more than the kernel takes of an answer that is not read. */
const LARGE = "\u{1f511}".repeat(5_000_000);

/** Also where it is reset. */
const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()));

const listen = async (t: Test, limits: Partial<Limits>, tls = false) => {
  const path = join(t.testdir({ token: bearerToken }), "token");
  const app = buildServer({
    logger: recordedLog().logger,
    registry: new Registry(),
    auth: {
      tokenFiles: [{ variable: "T", path, scopes: ["read", "hook"] }],
      clientCertificates: false,
      loopback: true,
    },
    ready: () => [],
    limits,
    ...(tls && { tls: { certFile, keyFile } }),
  });
  const waiting: (() => void)[] = [];
  let handled = 0;
  const wait = () => new Promise<void>((resolve) => waiting.push(resolve));
  app.get("/read", { config: { scope: "read" } }, async () => "ok");
  app.get("/wait", { config: { scope: "open" } }, async () => {
    handled += 1;
    await wait();
  });
  app.get("/wait-read", { config: { scope: "read" } }, wait);
  app.get("/large", { config: { scope: "open" } }, async (_request, reply) => {
    handled += 1;
    return (await reply.roomFor(20_000_000)) ? LARGE : "";
  });
  for (const url of ["/hooks/a/sync", "/hooks/a/finalize", "/hooks/b/sync"]) {
    app.post(url, { config: { scope: "hook" } }, async () => {
      handled += 1;
      await wait();
      return "done";
    });
  }
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const sockets: Socket[] = [];
  t.teardown(async () => {
    for (const one of waiting) one();
    for (const socket of sockets) socket.destroy();
    await app.close();
  });
  const open = async (localAddress = "127.0.0.1"): Promise<Socket> => {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    sockets.push(socket.on("error", () => {}));
    await once(socket, "connect");
    return socket;
  };
  const answered = async (socket: Socket, what: string) => {
    socket.write(what);
    const [answer] = await once(socket, "data");
    return String(answer).slice(9, 12);
  };
  const hook = (url: string, body: string, headers = {}) => {
    const outgoing = startRequest({
      host: "127.0.0.1",
      port,
      path: url,
      method: "POST",
      agent: false,
      headers: { authorization: `Bearer ${bearerToken}`, "content-type": "application/json", ...headers },
    });
    outgoing.on("error", () => {}).end(body);
    return once(outgoing, "response").then(async ([answer]) => {
      await text(answer);
      return answer.statusCode;
    });
  };
  const handledIs = (count: number) =>
    eventually(`${count} requests are handled`, async () => handled === count, {
      paceMs: 5,
      seen: () => `There were ${handled}.`,
    });
  return {
    port,
    open,
    answered,
    hook,
    handledIs,
    handled: () => handled,
    release: () => waiting.splice(0).map((one) => one()),
  };
};

t.test("above the number of connections the oldest stranger goes, and who has a token stays", async (t) => {
  const { open, answered } = await listen(t, { connections: 5, forUnauthenticated: 2 });
  const known = await open();
  t.equal(await answered(known, READ), "200");
  const probe = await open();
  t.equal(await answered(probe, GET), "200");
  const gone = closed(probe);
  for (let i = 0; i < 30; i += 1) await open();
  await gone;
  t.equal(await answered(await open(), GET), "200", "a probe comes in");
  const second = await open();
  t.equal(await answered(second, READ), "200", "and so does another with a token");
  t.equal(await answered(known, READ), "200");
});

t.test("of known callers the one that has asked for nothing for longest goes", async (t) => {
  const { open, answered } = await listen(t, { connections: 2, forUnauthenticated: 0 });
  const [first, second] = [await open(), await open()];
  for (const socket of [first, second, first]) t.equal(await answered(socket, READ), "200");
  const gone = closed(second);
  t.equal(await answered(await open(), READ), "200");
  await gone;
  t.equal(await answered(first, READ), "200");
});

t.test("who sends no request is shown out, in the midst of a handshake too", async (t) => {
  for (const tls of [false, true]) {
    const { port, open } = await listen(t, { firstRequestMs: 1000 }, tls);
    const silent = await open();
    await closed(silent.resume());
    if (!tls) continue;
    const shaken = connectTls({ port, host: "127.0.0.1", ca: authority.ca });
    await once(shaken, "secureConnect");
    await closed(shaken.resume());
  }
});

t.test("more unanswered requests than a connection may have end it, and no more are worked on", async (t) => {
  const { open, handledIs, handled } = await listen(t, { pipelined: 3 });
  const three = await open();
  three.write("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3));
  await handledIs(3);
  t.notOk(three.destroyed);
  const four = await open();
  four.resume().write("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2000));
  await closed(four);
  t.equal(handled(), 6);
});

t.test("an answer that is not read ends its connection, and lets the next one in", async (t) => {
  const { open, handledIs } = await listen(t, { answerMs: 2500, answerBytes: 1000 });
  const [first, second] = [await open(), await open()];
  for (const socket of [first, second]) {
    socket.pause().write("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  await handledIs(2);
  const third = await open();
  third.write("GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  t.ok((await text(third)).endsWith(LARGE), "the two before it were given up");
});

t.test("bodies that find no room are refused before they are read, and room is given back", async (t) => {
  const { hook, handledIs, release } = await listen(t, { requestBytes: 100_000, requestWaitMs: 20 });
  const body = JSON.stringify("x".repeat(60_000));
  const first = hook("/hooks/a/sync", body);
  await handledIs(1);
  t.equal(await hook("/hooks/a/sync", body), 429);
  t.equal(
    await hook("/hooks/a/sync", body, { "transfer-encoding": "chunked" }),
    429,
    "a length that is not told",
  );
  const small = hook("/hooks/a/sync", '"x"');
  await handledIs(2);
  release();
  t.same(await Promise.all([first, small]), [200, 200]);
  const larger = hook("/hooks/a/sync", JSON.stringify("x".repeat(200_000)));
  await handledIs(3);
  release();
  t.equal(await larger, 200, "one that is larger than all the room, alone");
});

t.test("hooks of one resource do not take the places of another's", async (t) => {
  const { hook, handledIs, release } = await listen(t, { hooksInFlight: 1 });
  const first = hook("/hooks/a/sync", "{}");
  await handledIs(1);
  t.equal(await hook("/hooks/a/finalize", "{}"), 429);
  const other = hook("/hooks/b/sync", "{}");
  await handledIs(2);
  release();
  t.same(await Promise.all([first, other]), [200, 200]);
});

t.test(
  "a peer with many connections takes no other's place, nor callers with tokens those of probes",
  async (t) => {
    const { open, answered } = await listen(t, { connections: 6, forUnauthenticated: 2 });
    const other = await open("127.0.0.2");
    t.equal(await answered(other, GET), "200");
    const many = await Promise.all(Array.from({ length: 8 }, () => open()));
    t.equal(await answered(other, GET), "200", "a stranger of another address is still there");
    for (const socket of many) socket.destroy();
    const known = await open("127.0.0.2");
    t.equal(await answered(known, READ), "200");
    for (let i = 0; i < 4; i += 1) {
      const socket = await open();
      socket.write(READ.replace("/read", "/wait-read"));
      if (i === 3) {
        t.match(String((await once(socket, "data"))[0]), "429", "all places of known callers are busy");
      }
    }
    t.equal(await answered(known, READ), "200", "who has fewer keeps its place");
    t.equal(await answered(await open(), GET), "200", "a probe comes in");
  },
);
