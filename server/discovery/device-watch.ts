// SPDX-License-Identifier: Apache-2.0
// Keeps the current report of the node's devices with its entity tag, and withholds it while devices can't be read.
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { DiscoveredDevice, DiscoveryBody } from "../discovery-api/schema.ts";
import { describeError } from "../log.ts";
import type { DiscoveryMetrics } from "./metrics.ts";

/** The newest report, or why there is none. */
export type Current = { ok: true; body: DiscoveryBody; etag: string } | { ok: false; message: string };

export type WatchOptions = {
  /** Looks at the devices; throws where they can't be read. */
  look: () => Promise<DiscoveryBody>;
  everyMs: number;
  /** A report older than this is not told any more. */
  staleMs: number;
  /** Told of the first report, and of each that differs from the one before. */
  onChange?: (body: DiscoveryBody) => void;
  logger: Logger;
  metrics: DiscoveryMetrics;
  /** Milliseconds, monotonic. */
  now: () => number;
};

export class DeviceWatch {
  readonly #options: WatchOptions;
  readonly #end = new AbortController();
  #current: Current = { ok: false, message: "the devices have not been looked at yet" };
  #lookedAt = 0;
  /** The devices of the last report, which a failure does not change. */
  #logged: readonly DiscoveredDevice[] = [];
  /** What the last failure is told from the next by. */
  #failure: string | undefined;
  #running: Promise<void> | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  current(): Current {
    const ageMs = this.#options.now() - this.#lookedAt;
    if (!this.#current.ok || ageMs < this.#options.staleMs) return this.#current;
    return {
      ok: false,
      message: `a look at the devices has not ended; the last is ${Math.round(ageMs / 1000)} s old`,
    };
  }

  /** Looks once, then again and again until `close`. Never rejects: what fails is told by `current`. */
  async start(): Promise<void> {
    await this.#look();
    this.#running = this.#goOn();
  }

  /** Waits for the look under way. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #goOn(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      await delay(this.#options.everyMs, undefined, { signal }).catch(() => {});
      if (!signal.aborted) await this.#look();
    }
  }

  async #look(): Promise<void> {
    const { look, metrics, now } = this.#options;
    try {
      this.#follow(await look());
    } catch (error) {
      metrics.failed();
      this.#fail(error);
    }
    this.#lookedAt = now();
  }

  #follow(body: DiscoveryBody): void {
    const { logger, metrics, onChange } = this.#options;
    const etag = `"sha256:${createHash("sha256").update(JSON.stringify(body)).digest("hex")}"`;
    if (this.#failure !== undefined) logger.info("the devices can be read again");
    this.#failure = undefined;
    if (this.#current.ok && this.#current.etag === etag) return;
    this.#logChanges(this.#logged, body.devices);
    this.#logged = body.devices;
    metrics.found(body);
    onChange?.(body);
    this.#current = { ok: true, body, etag };
  }

  #fail(error: unknown): void {
    const { message, type, code } = describeError(error);
    const reason = `the devices can't be read: ${message ?? type}`;
    this.#current = { ok: false, message: reason };
    // The message can name another file each time.
    const failure = String(code ?? reason);
    if (this.#failure !== failure) this.#options.logger.warn({ err: error }, reason);
    this.#failure = failure;
  }

  #logChanges(before: readonly DiscoveredDevice[], after: readonly DiscoveredDevice[]): void {
    const { logger } = this.#options;
    const keyOf = (device: DiscoveredDevice) => JSON.stringify(device);
    const [known, seen] = [new Set(before.map(keyOf)), new Set(after.map(keyOf))];
    const log = (device: DiscoveredDevice, text: string) => {
      const { id, port, devicePath, vendorId, productId, type, fault } = device;
      const level = fault !== null ? "warn" : type === null ? "debug" : "info";
      logger[level]({ id, port, devicePath, vendorId, productId, type, ...(fault && { fault }) }, text);
    };
    for (const device of before) if (!seen.has(keyOf(device))) log(device, "a device is gone");
    for (const device of after) if (!known.has(keyOf(device))) log(device, "a device is there");
  }
}
