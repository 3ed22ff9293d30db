// SPDX-License-Identifier: Apache-2.0
// Relays TCP connections to an address of loopback, and counts the bytes that come back from it.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface ByteRelay {
  /** `host:port`. */
  readonly address: string;
  /** How many bytes the target has sent so far, headers and all. */
  bytes(): number;
  close(): Promise<void>;
}

/** A relay to `target`, which is `host:port`. */
export const startByteRelay = async (target: string): Promise<ByteRelay> => {
  const { hostname, port } = new URL(`tcp://${target}`);
  const open = new Set<Socket>();
  let sent = 0;
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    far.on("data", (chunk) => {
      sent += chunk.length;
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one.setNoDelay());
      one.on("error", () => other.destroy()).on("close", () => open.delete(one));
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const at = server.address();
  if (at === null || typeof at === "string") throw new Error("no port");
  return {
    address: `127.0.0.1:${at.port}`,
    bytes: () => sent,
    close: async () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
};
