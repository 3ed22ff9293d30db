// SPDX-License-Identifier: Apache-2.0
// Offers the kubelet a resource for each device, as devices come and go, and anew whenever a kubelet starts.
import { join } from "node:path";
import type { Logger } from "pino";
import type { DiscoveredDevice } from "../../discovery-api/schema.ts";
import { describeError } from "../../log.ts";
import { type Clock, sleep } from "../../time.ts";
import { KUBELET_SOCKET } from "./api.ts";
import { OfferedResource } from "./offered-resource.ts";
import { identityOf } from "./plugin-socket.ts";

export type DevicePluginOptions = {
  /** Where the kubelet looks for plugins. */
  folder: string;
  logger: Logger;
  /** Monotonic. */
  clock: Clock;
  metrics: { offered(counts: { registered: number; waiting: number }): void; registered(): void };
};

/** The message is for everybody (/readyz), so that it names no device. */
type Failure = { resource?: string; message: string };

/** How often the kubelet's socket and those of the resources are looked at. */
const LOOK_EVERY_MS = 1000;
/** The kubelet goes on hearing of devices that are gone, of no more than these: a serial number is whatever a device says. */
const MAX_GONE = 64;

export class DevicePlugin {
  readonly #options: DevicePluginOptions;
  /** By name. */
  readonly #resources = new Map<string, OfferedResource>();
  readonly #end = new AbortController();
  /** Aborted where there is something to do before the next look. */
  #rest = new AbortController();
  #failure: string | undefined;
  #running: Promise<void> | undefined;

  constructor(options: DevicePluginOptions) {
    this.#options = options;
  }

  /** Why a resource is not registered; undefined where all are. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Offers the devices that have a resource, and no others. A kubelet that watches is told before this returns. */
  follow(devices: readonly Pick<DiscoveredDevice, "resource" | "devicePath">[]): void {
    const { folder, clock } = this.#options;
    const now = clock.now();
    const paths = new Map(
      devices.flatMap(({ resource, devicePath }) => (resource === null ? [] : [[resource, devicePath]])),
    );
    for (const name of paths.keys()) {
      if (!this.#resources.has(name)) this.#resources.set(name, new OfferedResource(folder, name));
    }
    for (const [name, resource] of this.#resources) {
      const path = paths.get(name);
      resource.show(path && `/dev/${path}`, now);
    }
    this.#rest.abort();
  }

  start(): void {
    this.#running = this.#goOn();
  }

  /** Waits for a registration under way. The kubelet calls the devices unhealthy until another plugin registers. */
  async close(): Promise<void> {
    this.#end.abort();
    this.#rest.abort();
    await this.#running;
    for (const resource of this.#resources.values()) resource.close();
  }

  async #goOn(): Promise<void> {
    while (!this.#end.signal.aborted) {
      this.#rest = new AbortController();
      await this.#tend();
      if (!this.#end.signal.aborted) await sleep(this.#options.clock, LOOK_EVERY_MS, this.#rest.signal);
    }
  }

  /** Never rejects. */
  async #tend(): Promise<void> {
    const { folder, metrics } = this.#options;
    this.#forgetOldest();
    const resources = [...this.#resources.values()];
    const kubelet = await identityOf(join(folder, KUBELET_SOCKET));
    if (kubelet === undefined) for (const resource of resources) resource.lose();
    const failures =
      kubelet === undefined
        ? [{ message: `there is no ${KUBELET_SOCKET} in ${folder}: is the kubelet's folder mounted there?` }]
        : await Promise.all(resources.map((resource) => this.#tendOne(resource, kubelet)));
    this.#tell(failures.find((failure) => failure !== undefined));
    const registered = resources.filter(({ isRegistered }) => isRegistered).length;
    metrics.offered({ registered, waiting: resources.length - registered });
  }

  async #tendOne(resource: OfferedResource, kubelet: string): Promise<Failure | undefined> {
    const { logger, metrics, clock } = this.#options;
    try {
      if (!(await resource.tend(kubelet, clock.now()))) return undefined;
      metrics.registered();
      logger.info({ resource: resource.name }, "the kubelet has registered a resource");
      return undefined;
    } catch (error) {
      const { message, type } = describeError(error);
      return {
        resource: resource.name,
        message: `a resource can't be registered at the kubelet: ${message ?? type}`,
      };
    }
  }

  #tell(failure: Failure | undefined): void {
    if (failure !== undefined && failure.message !== this.#failure) {
      const { resource, message } = failure;
      this.#options.logger.warn({ ...(resource !== undefined && { resource }) }, message);
    }
    this.#failure = failure?.message;
  }

  #forgetOldest(): void {
    const gone = [...this.#resources.values()].flatMap((resource) =>
      resource.goneAt === undefined ? [] : [{ resource, goneAt: resource.goneAt }],
    );
    for (const { resource } of gone.sort((a, b) => b.goneAt - a.goneAt).slice(MAX_GONE)) {
      this.#resources.delete(resource.name);
      resource.close();
    }
  }
}
