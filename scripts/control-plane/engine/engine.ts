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
import { createInformerPool } from "./informer.ts";
import {
  type ApplyStrategy,
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

const controllers: ResourceInfo = {
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

/** Starts the engine and answers when it knows the CompositeControllers that are there. */
export const startEngine = async (options: EngineOptions): Promise<Engine> => {
  const { log = silent, now = () => new Date(), onSync = () => {} } = options;
  const client = createKubeClient(options.apiUrl);
  const discovery = createDiscovery(client);
  const pool = createInformerPool(client);
  const events = createEventRecorder(client, now, log);
  const services = {
    client,
    discovery,
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
  const running = new Map<string, ParentController>();
  const { informer } = pool.acquire(controllers);

  const stop = async (name: string) => {
    const controller = running.get(name);
    if (!controller) return;
    running.delete(name);
    await controller.close();
    log.info({ controller: name }, "Shutting down CompositeController");
    events.record(controller.object, "Normal", "Stopping", `Stopping controller: ${name}`);
    events.record(controller.object, "Normal", "Stopped", `Stopped controller: ${name}`);
  };
  const failed = (name: string, error: string): Verdict => {
    log.error({ controller: name, error }, "Reconciler error");
    return { kind: "retry" };
  };

  const reconcile = async (name: string): Promise<Verdict> => {
    const object = informer.get(name);
    if (!object) {
      await stop(name);
      return { kind: "done" };
    }
    const definition = await client.get(definitions, { name: parentDefinition(object) });
    // No event tells of it.
    if (!definition.ok) return failed(name, definition.message);
    const current = running.get(name);
    if (current && !needsRestart(current.object, object)) return { kind: "done" };
    await stop(name);
    discovery.forget();
    const started = await startParentController(services, object);
    if (!started.ok) {
      events.record(object, "Warning", "CreateError", `Cannot create new controller: ${started.message}`);
      return failed(name, started.message);
    }
    running.set(name, started.value);
    log.info({ controller: name }, "Starting CompositeController");
    events.record(object, "Normal", "Starting", `Starting controller: ${name}`);
    events.record(object, "Normal", "Started", `Started controller: ${name}`);
    return { kind: "done" };
  };
  const queue = createWorkQueue({ workers: 1, work: reconcile });

  await informer.synced;
  const enqueue = ({ metadata }: KubeObject) => queue.add(metadata.name ?? "");
  informer.subscribe({ added: enqueue, updated: (_, object) => enqueue(object), deleted: enqueue });

  const idle = async (): Promise<void> => {
    for (;;) {
      await queue.idle();
      await Promise.all([...running.values()].map((controller) => controller.idle()));
      await events.flushed();
      const caughtUp = await Promise.all(pool.all().map((mirror) => mirror.caughtUp()));
      const busy = queue.busy() || [...running.values()].some((controller) => controller.busy());
      if (!busy && caughtUp.every(Boolean)) return;
      await delay(CATCH_UP_MS);
    }
  };

  return {
    idle,
    close: async () => {
      await queue.close();
      await Promise.all([...running.values()].map((controller) => controller.close()));
      running.clear();
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
