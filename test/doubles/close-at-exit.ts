// SPDX-License-Identifier: Apache-2.0
// Serves tcp-proxy.test.ts as a test file that shuts a proxy at the moment at which a connection through it ends by itself.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import t from "tap";
import { eventually } from "../../scripts/local/eventually.ts";
import { startTcpProxy } from "./tcp-proxy.ts";

t.test("a proxy that is shut while a connection ends", async (t) => {
  const target = createServer((socket) => {
    socket.write("bye");
    socket.end();
  });
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const proxy = await startTcpProxy(t, `http://127.0.0.1:${(target.address() as AddressInfo).port}`);
  const { port } = new URL(proxy.url);
  const { end } = Socket.prototype;
  const shut = Promise.withResolvers<void>();
  Socket.prototype.end = function (this: Socket) {
    // What goes out has been handed to the system, and the FIN has not gone yet.
    if (this.localPort === Number(port)) {
      process.nextTick(() => process.nextTick(() => shut.resolve(proxy.shut())));
    }
    return Reflect.apply(end, this, []);
  };
  const client = connect(Number(port), "127.0.0.1");
  client.on("error", () => {});
  client.resume();
  await shut.promise;
  Socket.prototype.end = end;
  client.destroy();
  target.close();
  await eventually("the connection is gone", async () => proxy.count() === 0);
  t.pass("the proxy is shut");
});
