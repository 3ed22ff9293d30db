// SPDX-License-Identifier: Apache-2.0
// Tests overload, slow and broken requests on real connections.
import { once } from "node:events";
import { request as startRequest } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { buildServer, type Limits } from "../../server/http/server.ts";
import { recordedLog } from "./recorded-log.ts";

const listen = async (t: Test, limits: Partial<Limits>) => {
  const waiting: (() => void)[] = [];
  const app = buildServer({
    logger: recordedLog().logger,
    registry: new Registry(),
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    ready: () => [],
    limits,
  });
  let entered = () => {};
  app.post("/hook", { config: { scope: "hook" } }, async () => {
    entered();
    await new Promise<void>((resolve) => waiting.push(resolve));
    return { done: true };
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const release = () => {
    for (const one of waiting.splice(0)) one();
  };
  t.teardown(async () => {
    release();
    await app.close();
  });
  return {
    app,
    port,
    release,
    hook: () => fetch(`http://127.0.0.1:${port}/hook`, { method: "POST" }),
    /** Resolves when the next hook request is being worked on. */
    enters: () => new Promise<void>((resolve) => (entered = resolve)),
  };
};

t.test(
  "hooks above the limit are told to come back, other routes answer, and places are given back",
  async (t) => {
    const { port, hook, enters, release } = await listen(t, { hooksInFlight: 1 });
    const busy = enters();
    const first = hook();
    await busy;
    const second = await hook();
    t.equal(second.status, 429);
    t.equal(second.headers.get("retry-after"), "1");
    t.match(await second.json(), { code: "TOO_BUSY" });
    t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);
    release();
    t.same(await (await first).json(), { done: true });
    const again = enters();
    const third = hook();
    await again;
    release();
    t.equal((await third).status, 200);
  },
);

t.test("a caller that hangs up gives its place back", async (t) => {
  const { app, port, hook, enters, release } = await listen(t, { hooksInFlight: 1 });
  const busy = enters();
  const left = new Promise<void>((resolve) => {
    app.server.once("connection", (socket) => socket.once("close", () => resolve()));
  });
  const first = startRequest({ port, host: "127.0.0.1", path: "/hook", method: "POST" });
  first.on("error", () => {});
  first.end();
  await busy;
  first.destroy();
  await left;
  const next = enters();
  const second = hook();
  await next;
  release();
  t.equal((await second).status, 200);
});

t.test("a body that never ends is given up, and its place with it", async (t) => {
  const { port, hook, enters, release } = await listen(t, { hooksInFlight: 1, requestTimeoutMs: 1000 });
  const socket = connect(port, "127.0.0.1");
  socket.write(
    'POST /hook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a":',
  );
  const answer = await text(socket);
  t.match(answer, /^HTTP\/1\.1 408 /);
  t.match(answer, /"code":"REQUEST_TIMEOUT"/);
  const next = enters();
  const second = hook();
  await next;
  release();
  t.equal((await second).status, 200);
});

for (const [sentence, bytes, status, code] of [
  ["bytes that are not HTTP", "canary\r\n\r\n", 400, "INVALID_REQUEST"],
  ["headers without end", `GET / HTTP/1.1\r\nA: ${"x".repeat(20_000)}\r\n\r\n`, 431, "HEADERS_TOO_LARGE"],
] as const) {
  t.test(`${sentence} get an answer of the table`, async (t) => {
    const { port } = await listen(t, {});
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.write(bytes);
    const answer = await text(socket);
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
    t.match(answer, `"code":"${code}"`);
    t.notMatch(answer, /canary/);
  });
}
