// SPDX-License-Identifier: Apache-2.0
// Finds a free loopback port for a process that must be given its port.
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/**
 * Below the ports that Linux gives to outgoing connections unless it is told otherwise (net.ipv4.ip_local_port_range): one of
 * those may be taken by any connection before the process that is given it listens.
 */
const LOWEST = 15_000;
const BEYOND = 32_768;
/** Ports that a process has to itself: several test files choose at the same time. */
const BLOCK = 64;
const TRIES = 50;

/** A server that listens on 127.0.0.1 at `port`, or undefined where that is taken. */
const listening = (port: number): Promise<Server | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });

/** The first port of a block that no other process has, held for as long as this process lives. */
const takeBlock = async (): Promise<number> => {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const first = LOWEST + BLOCK * randomInt(Math.floor((BEYOND - LOWEST) / BLOCK));
    const holder = await listening(first);
    holder?.unref();
    if (holder !== undefined) return first;
  }
  throw new Error(`none of ${TRIES} blocks of ports of 127.0.0.1 is free`);
};

let block: Promise<number> | undefined;
let given = 0;

/** The next free port of the block that begins at `first`, or undefined where all are taken. */
const portOf = async (first: number): Promise<number | undefined> => {
  for (let tries = 1; tries < BLOCK; tries += 1) {
    const port = first + 1 + (given % (BLOCK - 1));
    given += 1;
    const server = await listening(port);
    if (server === undefined) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  return undefined;
};

/** A port of 127.0.0.1 that is free now and is given to no other caller soon, in whatever process. @throws Error where none is */
export const freePort = async (): Promise<number> => {
  block ??= takeBlock();
  const port = await portOf(await block);
  if (port !== undefined) return port;
  block = takeBlock();
  return freePort();
};
