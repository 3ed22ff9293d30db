// SPDX-License-Identifier: Apache-2.0
// Listens for the kubelet's calls on a unix socket, and registers its resource at the kubelet's.
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  Client,
  credentials,
  logVerbosity,
  Metadata,
  Server,
  ServerCredentials,
  setLogVerbosity,
} from "@grpc/grpc-js";
import {
  DEVICE_PLUGIN,
  KUBELET_SOCKET,
  REGISTER_PATH,
  type Registration,
  readRegistered,
  writeRegistration,
} from "./api.ts";
import type { Calls } from "./offered-device.ts";

/** The kubelet's requests name a device or two. */
const MAX_REQUEST_BYTES = 65_536;
const REGISTER_LIMIT_MS = 5000;
const OPTIONS = {
  "grpc.enable_channelz": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.max_receive_message_length": MAX_REQUEST_BYTES,
};

// Its own lines on stderr would be no JSON; what fails is told by whoever called.
setLogVerbosity(logVerbosity.NONE);

/** Tells a file from another that takes its place; undefined where there is none. */
export const identityOf = async (path: string): Promise<string | undefined> => {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found && `${found.dev}:${found.ino}:${found.ctimeNs}`;
};

export class PluginSocket {
  readonly #path: string;
  readonly #calls: Calls;
  #server: Server | undefined;
  #identity: string | undefined;

  constructor(path: string, calls: Calls) {
    this.#path = path;
    this.#calls = calls;
  }

  /** Whether the socket is there and is ours: a kubelet that starts deletes all in the folder. */
  async isOpen(): Promise<boolean> {
    return this.#identity !== undefined && (await identityOf(this.#path)) === this.#identity;
  }

  /** Listens anew, in place of whatever has the socket's name. @throws where the folder can't be written to */
  async open(): Promise<void> {
    // First, because closing a server deletes the file of its name, also where that is another's by now.
    this.close();
    await rm(this.#path, { force: true });
    const server = new Server(OPTIONS);
    server.addService(DEVICE_PLUGIN, this.#calls);
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${this.#path}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    this.#server = server;
    this.#identity = await identityOf(this.#path);
  }

  close(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#identity = undefined;
  }
}

/** Registers a resource at the kubelet, which then calls the endpoint. @throws what the kubelet or the connection says */
export const register = async (folder: string, registration: Registration): Promise<void> => {
  const client = new Client(`unix:${join(folder, KUBELET_SOCKET)}`, credentials.createInsecure(), OPTIONS);
  try {
    await new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(
        REGISTER_PATH,
        writeRegistration,
        readRegistered,
        registration,
        new Metadata(),
        { deadline: Date.now() + REGISTER_LIMIT_MS },
        (error) => (error === null ? resolve() : reject(error)),
      );
    });
  } finally {
    client.close();
  }
};
