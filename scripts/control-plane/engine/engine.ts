// SPDX-License-Identifier: Apache-2.0
// The local engine: runs every CompositeController of an API server and calls the hooks as Metacontroller 4.17.2 does.
import { setTimeout as delay } from "node:timers/promises";
import { equal, objectOrEmpty, stringOf, valueAt } from "../api/json.ts";
import { createKubeClient, type KubeObject, type ResourceInfo } from "../client.ts";
import { createServerSideApply } from "./apply-server-side.ts";
import { shownController } from "./composite-controller.ts";
import { createDiscovery } from "./discovery.ts";
import { type EngineLog, silent } from "./engine-log.ts";
import { createEventRecorder } from "./event-recorder.ts";
import type { ResolveService } from "./hook-transport.ts";
import { createInformerPool, type Informer } from "./informer.ts";
import {
  type ApplyStrategy,
  type ControllerServices,
  type ParentController,
  type SyncRecord,
  startParentController,
} from "./parent-controller.ts";
import { createWorkQueue, type Verdict } from "./work-queue.ts";

export type { ApplyStrategy, SyncRecord } from "./parent-controller.ts";

export type EngineOptions = {
  /** Where the Kubernetes API is, `http://127.0.0.1:1234`. */
  apiUrl: string;
  applyStrategy: ApplyStrategy;
  /** Where the host and port of a webhook's URL really are. The certificate is checked against the URL all the same. */
  resolveService?: ResolveService;
  log?: EngineLog;
  now?: () => Date;
  /** Called after each sync. */
  onSync?: (record: SyncRecord) => void;
  /** Syncs under way at once, for each controller: Metacontroller's --workers. */
  workers?: number;
};

export type Engine = {
  /**
   * Resolves when the engine has seen all there is on the server, and no sync runs or waits for a worker. Delayed syncs
   * (resyncAfterSeconds, Retry-After, a retry after a fault) don't count.
   */
  idle: () => Promise<void>;
  /** Lets the syncs under way finish, and leaves nothing behind. */
  close: () => Promise<void>;
};

const compositeControllers: ResourceInfo = {
  apiVersion: "metacontroller.k8s.io/v1alpha1",
  kind: "CompositeController",
  plural: "compositecontrollers",
  namespaced: false,
  hasStatus: true,
};
const definitions: ResourceInfo = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
  hasStatus: true,
};
const CATCH_UP_MS = 5;

/** The controllers that run, by name: each follows the CompositeController of its name. */
class Controllers {
  readonly #services: ControllerServices;
  readonly #informer: Informer;
  readonly #running = new Map<string, ParentController>();

  constructor(services: ControllerServices, informer: Informer) {
    this.#services = services;
    this.#informer = informer;
  }

  all(): ParentController[] {
    return [...this.#running.values()];
  }

  /** Starts, restarts or stops the controller `name`, as its CompositeController now says. */
  async reconcile(name: string): Promise<Verdict> {
    const object = this.#informer.get(name);
    if (!object) {
      await this.#stop(name);
      return { kind: "done" };
    }
    const definition = await this.#services.client.get(definitions, { name: parentDefinition(object) });
    // No event tells of it.
    if (!definition.ok) return this.#failed(name, definition.message);
    const current = this.#running.get(name);
    if (current && !needsRestart(current.object, object)) return { kind: "done" };
    await this.#stop(name);
    this.#services.discovery.forget();
    return this.#start(name, object);
  }

  async close(): Promise<void> {
    await Promise.all(this.all().map((controller) => controller.close()));
    this.#running.clear();
  }

  async #start(name: string, object: KubeObject): Promise<Verdict> {
    const { events, log } = this.#services;
    const started = await startParentController(this.#services, object);
    if (!started.ok) {
      events.record(object, "Warning", "CreateError", `Cannot create new controller: ${started.message}`);
      return this.#failed(name, started.message);
    }
    this.#running.set(name, started.value);
    log.info({ controller: name }, "Starting CompositeController");
    events.record(object, "Normal", "Starting", `Starting controller: ${name}`);
    events.record(object, "Normal", "Started", `Started controller: ${name}`);
    return { kind: "done" };
  }

  async #stop(name: string): Promise<void> {
    const { events, log } = this.#services;
    const controller = this.#running.get(name);
    if (!controller) return;
    this.#running.delete(name);
    await controller.close();
    log.info({ controller: name }, "Shutting down CompositeController");
    events.record(controller.object, "Normal", "Stopping", `Stopping controller: ${name}`);
    events.record(controller.object, "Normal", "Stopped", `Stopped controller: ${name}`);
  }

  #failed(name: string, error: string): Verdict {
    this.#services.log.error({ controller: name, error }, "Reconciler error");
    return { kind: "retry" };
  }
}

/** Starts the engine and answers when it knows the CompositeControllers that are there. */
export const startEngine = async (options: EngineOptions): Promise<Engine> => {
  const { log = silent, now = () => new Date(), onSync = () => {} } = options;
  const client = createKubeClient(options.apiUrl);
  const pool = createInformerPool(client);
  const events = createEventRecorder(client, now, log);
  const { informer } = pool.acquire(compositeControllers);
  const services = {
    client,
    discovery: createDiscovery(client),
    pool,
    events,
    serverSideApply: createServerSideApply(),
    applyStrategy: options.applyStrategy,
    resolveService: options.resolveService,
    workers: options.workers ?? 5,
    log,
    now,
    onSync,
  };
  const controllers = new Controllers(services, informer);
  const queue = createWorkQueue({ workers: 1, work: (name) => controllers.reconcile(name) });

  await informer.synced;
  const enqueue = ({ metadata }: KubeObject) => queue.add(metadata.name ?? "");
  informer.subscribe({ added: enqueue, updated: (_, object) => enqueue(object), deleted: enqueue });

  const idle = async (): Promise<void> => {
    for (;;) {
      await queue.idle();
      await Promise.all(controllers.all().map((controller) => controller.idle()));
      await events.flushed();
      const caughtUp = await Promise.all(pool.all().map((mirror) => mirror.caughtUp()));
      const busy = queue.busy() || controllers.all().some((controller) => controller.busy());
      if (!busy && caughtUp.every(Boolean)) return;
      await delay(CATCH_UP_MS);
    }
  };

  return {
    idle,
    close: async () => {
      await queue.close();
      await controllers.close();
      await events.flushed();
      pool.close();
      await client.close();
    },
  };
};

/** The name that the definition of a controller's parents must have. */
const parentDefinition = (controller: KubeObject): string => {
  const parent = objectOrEmpty(valueAt(controller, ["spec", "parentResource"]));
  const [group, version] = (stringOf(parent.apiVersion) ?? "").split("/");
  return `${stringOf(parent.resource) ?? ""}.${version === undefined ? "" : group}`;
};

/**
 * Only a spec that differs from what Metacontroller has read, where another writing of a duration is no difference. An
 * annotation leaves the controller running, with the credentials that it read at its start.
 */
const needsRestart = (before: KubeObject, after: KubeObject): boolean =>
  !equal(shownController(before).spec, shownController(after).spec);
