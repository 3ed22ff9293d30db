// SPDX-License-Identifier: Apache-2.0
// Serves the calls of the kubelet for one device: whether it is there, and the device node that a container gets.
import { type handleUnaryCall, type ServerWritableStream, status } from "@grpc/grpc-js";
import type { Choice, DEVICE_PLUGIN, DeviceIds, DeviceNodes, Empty, ListedDevice } from "./api.ts";

type Watcher = ServerWritableStream<Empty, ListedDevice[]>;
/** What is called for each call of `DEVICE_PLUGIN`. */
export type Calls = Readonly<{
  GetDevicePluginOptions: handleUnaryCall<Empty, Empty>;
  ListAndWatch: (call: Watcher) => void;
  GetPreferredAllocation: handleUnaryCall<Choice[], DeviceIds>;
  Allocate: handleUnaryCall<DeviceIds, DeviceNodes>;
  PreStartContainer: handleUnaryCall<Empty, Empty>;
}> &
  Record<keyof typeof DEVICE_PLUGIN, unknown>;

export class OfferedDevice {
  readonly #id: string;
  readonly #watchers = new Set<Watcher>();
  /** Its device node on the host; undefined while it is unplugged. */
  #path: string | undefined;

  /** @param id in the kubelet's API */
  constructor(id: string) {
    this.#id = id;
  }

  get isThere(): boolean {
    return this.#path !== undefined;
  }

  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  /** Tells the kubelet at once where the device came or went. A path alone matters to the next allocation. */
  show(path: string | undefined): void {
    const wasThere = this.isThere;
    this.#path = path;
    if (this.isThere === wasThere) return;
    for (const watcher of this.#watchers) watcher.write(this.#list());
  }

  /** Ends what the kubelet watches; it calls the device unhealthy then. */
  close(): void {
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
  }

  readonly calls: Calls = {
    GetDevicePluginOptions: (_call, answer) => answer(null, {}),
    ListAndWatch: (call) => {
      this.#watchers.add(call);
      const forget = () => this.#watchers.delete(call);
      call.on("cancelled", forget).on("error", forget).on("close", forget);
      call.write(this.#list());
    },
    GetPreferredAllocation: ({ request }, answer) =>
      answer(
        null,
        request.map(({ available, included, size }) =>
          [...new Set([...included, ...available])].slice(0, Math.max(size, 0)),
        ),
      ),
    Allocate: ({ request }, answer) => {
      const other = request.flat().find((id) => id !== this.#id);
      if (other !== undefined) {
        return answer({ code: status.NOT_FOUND, details: `there is no device ${JSON.stringify(other)}` });
      }
      const path = this.#path;
      if (path === undefined) {
        return answer({ code: status.UNAVAILABLE, details: `device ${this.#id} is unplugged` });
      }
      answer(
        null,
        request.map((ids) => (ids.length > 0 ? [path] : [])),
      );
    },
    PreStartContainer: (_call, answer) => answer(null, {}),
  };

  #list(): ListedDevice[] {
    return [{ id: this.#id, health: this.isThere ? "Healthy" : "Unhealthy" }];
  }
}
