// SPDX-License-Identifier: Apache-2.0
// Finds a free loopback port for a process that must be given its port.
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below the ports that Linux gives to outgoing connections unless it is told otherwise (net.ipv4.ip_local_port_range): one of
 * those may be taken by any connection before the process that is given it listens.
 */
const LOWEST = 15_000;
const BEYOND = 32_768;
const TRIES = 50;

/** Whether 127.0.0.1 can be listened on at `port`. */
const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });

/** A port of 127.0.0.1 that is free now. @throws Error where none of many is */
export const freePort = async (): Promise<number> => {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(LOWEST, BEYOND);
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${TRIES} ports of 127.0.0.1 is free`);
};
