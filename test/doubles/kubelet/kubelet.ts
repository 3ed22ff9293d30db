// SPDX-License-Identifier: Apache-2.0
// Plays the kubelet's side of the device plugin API: takes registrations on its socket, lists and watches, allocates, and restarts.
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  type Client,
  type ClientReadableStream,
  credentials,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { type Injected, type Listing, serviceOf } from "./device-plugin-api.ts";

type Register = { version: string; endpoint: string; resource: string };

/** A resource as the kubelet knows it. */
export type Known = {
  endpoint: string;
  /** How often it was registered at the kubelet that runs now. */
  registrations: number;
  /** Each list that came. */
  lists: Listing[][];
  isWatched: boolean;
  client: Client;
  watch: ClientReadableStream<{ devices: Listing[] }>;
};

/** As pkg/kubelet/cm/devicemanager does it. */
const EXTENDED_RESOURCE = /^[a-z0-9.]+\/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

type Callback = (error: unknown, answer: unknown) => void;
type Methods = Record<string, (request: object, callback: Callback) => void>;

export class Kubelet {
  readonly folder: string;
  readonly known = new Map<string, Known>();
  /** Registrations are answered with an error. */
  refuses = false;
  #server: Server | undefined;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** As a kubelet that starts does, it deletes what is in the folder, unless that fails, then listens. */
  async start({ deletes = true } = {}): Promise<void> {
    for (const name of readdirSync(this.folder)) {
      if (deletes || name === "kubelet.sock") rmSync(join(this.folder, name));
    }
    const server = new Server();
    server.addService(serviceOf("Registration").service, {
      Register: (call: ServerUnaryCall<Register, object>, answer: sendUnaryData<object>) =>
        this.#register(call.request, answer),
    });
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(
        `unix:${join(this.folder, "kubelet.sock")}`,
        ServerCredentials.createInsecure(),
        (error) => (error === null ? resolve() : reject(error)),
      );
    });
    this.#server = server;
  }

  /** It forgets all, as one that is killed. */
  stop(): void {
    for (const { client, watch } of this.known.values()) {
      watch.cancel();
      client.close();
    }
    this.known.clear();
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  of(resource: string): Known {
    const known = this.known.get(resource);
    if (known === undefined) throw new Error(`${resource} is not registered`);
    return known;
  }

  health(resource: string): string | undefined {
    return this.known.get(resource)?.lists.at(-1)?.[0]?.health;
  }

  /** One call of the plugin behind a resource. */
  call<T>(resource: string, method: string, request: object = {}): Promise<T> {
    const { client } = this.of(resource);
    return new Promise((resolve, reject) => {
      (client as unknown as Methods)[method]?.(request, (error, answer) =>
        error === null ? resolve(answer as T) : reject(error),
      );
    });
  }

  /** What each container gets that asks for these devices. */
  async allocate(resource: string, ...containers: string[][]): Promise<Injected[]> {
    const request = { containers: containers.map((ids) => ({ ids })) };
    return (await this.call<{ containers: Injected[] }>(resource, "Allocate", request)).containers;
  }

  #register({ version, endpoint, resource }: Register, answer: sendUnaryData<object>): void {
    if (
      this.refuses ||
      version !== "v1beta1" ||
      !EXTENDED_RESOURCE.test(resource) ||
      endpoint.includes("/")
    ) {
      answer({ code: status.UNKNOWN, details: `the kubelet refuses ${version} ${resource}` });
      return;
    }
    const before = this.known.get(resource);
    before?.watch.cancel();
    before?.client.close();
    const client = new (serviceOf("DevicePlugin"))(
      `unix:${join(this.folder, endpoint)}`,
      credentials.createInsecure(),
    );
    const watch = (client as unknown as { ListAndWatch(request: object): Known["watch"] }).ListAndWatch({});
    const known: Known = {
      endpoint,
      registrations: (before?.registrations ?? 0) + 1,
      lists: [],
      isWatched: true,
      client,
      watch,
    };
    const end = () => {
      known.isWatched = false;
    };
    watch
      .on("data", ({ devices }) => known.lists.push(devices))
      .on("error", end)
      .on("end", end);
    this.known.set(resource, known);
    answer(null, {});
  }
}
