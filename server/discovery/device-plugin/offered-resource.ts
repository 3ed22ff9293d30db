// SPDX-License-Identifier: Apache-2.0
// Keeps the resource of one device registered at the kubelet that runs now, and tells that one whether the device is there.
import { hash } from "node:crypto";
import { join } from "node:path";
import { deviceIdOf } from "../resource-name.ts";
import { OfferedDevice } from "./offered-device.ts";
import { PluginSocket, register } from "./plugin-socket.ts";

/** A kubelet that has registered a resource and does not watch it for so long has lost it. */
const WATCH_LIMIT_MS = 10_000;
const DIGEST_LENGTH = 24;

/** Short, whatever the resource is called: `MAX_PLUGIN_FOLDER` of the configuration counts on it. */
const endpointOf = (resource: string): string =>
  `hsm-${hash("sha256", resource).slice(0, DIGEST_LENGTH)}.sock`;

export class OfferedResource {
  readonly name: string;
  readonly #folder: string;
  readonly #endpoint: string;
  readonly #device: OfferedDevice;
  readonly #socket: PluginSocket;
  /** The kubelet, as `identityOf` tells its socket from a later one, where it is registered. */
  #kubelet: string | undefined;
  /** Milliseconds, monotonic, as are the next ones. */
  #watchedAt = 0;
  #goneAt = 0;

  constructor(folder: string, name: string) {
    this.name = name;
    this.#folder = folder;
    this.#endpoint = endpointOf(name);
    this.#device = new OfferedDevice(deviceIdOf(name));
    this.#socket = new PluginSocket(join(folder, this.#endpoint), this.#device.calls);
  }

  /** Since when the device is gone; undefined while it is there. */
  get goneAt(): number | undefined {
    return this.#device.isThere ? undefined : this.#goneAt;
  }

  get isRegistered(): boolean {
    return this.#kubelet !== undefined;
  }

  /** @param path the device node on the host; undefined while the device is unplugged */
  show(path: string | undefined, now: number): void {
    if (path === undefined && this.#device.isThere) this.#goneAt = now;
    this.#device.show(path);
  }

  /**
   * Listens and registers where one of them is needed. Answers whether it registered.
   * @param kubelet what its socket is told from a later one by
   * @throws where the socket can't be made, or the kubelet refuses
   */
  async tend(kubelet: string, now: number): Promise<boolean> {
    if (!(await this.#socket.isOpen())) {
      this.#kubelet = undefined;
      await this.#socket.open();
    }
    if (this.#device.isWatched) this.#watchedAt = now;
    if (this.#kubelet === kubelet && now - this.#watchedAt < WATCH_LIMIT_MS) return false;
    this.#kubelet = undefined;
    await register(this.#folder, { resource: this.name, endpoint: this.#endpoint });
    this.#kubelet = kubelet;
    this.#watchedAt = now;
    return true;
  }

  /** There is no kubelet any more. */
  lose(): void {
    this.#kubelet = undefined;
  }

  close(): void {
    this.#device.close();
    this.#socket.close();
  }
}
