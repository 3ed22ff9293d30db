// SPDX-License-Identifier: Apache-2.0
// Sets up the tests of the Toggles' client: the local API server with the CRD, kubectl, and Toggles that are watched.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Test } from "tap";
import { parse } from "yaml";
import {
  type ApiServer,
  type ApiServerOptions,
  startApiServer,
} from "../../scripts/control-plane/api/server.ts";
import { freePort } from "../../scripts/local/free-port.ts";
import type { KubernetesConfig, KubernetesCredentials } from "../../server/kubernetes/config.ts";
import { switchRecordsOf } from "../../server/kubernetes/last-switch.ts";
import {
  openToggles,
  type WatchedToggles,
  type WatchedTogglesOptions,
} from "../../server/kubernetes/toggles.ts";
import type { Clock } from "../../server/time.ts";
import { type RecordedLog, recordedLog } from "../http/recorded-log.ts";

const CRD = new URL("../../manifests/crds/toggles.yaml", import.meta.url);
const run = promisify(execFile);

export const COLLECTION = "/apis/toggle.j5t.io/v1alpha1/namespaces/demo/toggles";

export const toggle = (name: string, spec: object = {}, namespace = "demo") => ({
  apiVersion: "toggle.j5t.io/v1alpha1",
  kind: "Toggle",
  metadata: { name, namespace },
  spec: { selector: { matchLabels: { app: name } }, ...spec },
});

export const patchOf = (enabled: boolean, reason = randomBytes(4).toString("hex")) => ({
  enabled,
  until: null,
  requestedBy: "@ann:example.org",
  reason,
});

export type TestApi = {
  url: string;
  /** An exchange with the API server itself; throws where it refuses. */
  call(method: string, path: string, body?: unknown, type?: string): Promise<unknown>;
  kubectl(...args: string[]): Promise<string>;
  make(name: string, spec?: object): Promise<unknown>;
  change(name: string, spec: object): Promise<unknown>;
  setStatus(name: string, status: object): Promise<unknown>;
  remove(name: string): Promise<unknown>;
  /** Ends it and starts another on the same port that knows nothing of what was there. */
  replace(): Promise<void>;
};

/** The local API server with the Toggle's CRD and the namespaces demo and other. */
export const startApi = async (t: Test, options: ApiServerOptions = {}): Promise<TestApi> => {
  // Nobody else may be given it while it is replaced.
  const port = await freePort();
  let server: ApiServer = await startApiServer({ ...options, port });
  t.teardown(() => server.close());
  const { url } = server;
  const kubeconfig = join(t.testdir({}), "kubeconfig");
  await server.kubeconfig(kubeconfig);
  const call: TestApi["call"] = async (method, path, body, type = "application/json") => {
    const response = await fetch(url + path, {
      method,
      headers: { "content-type": type, connection: "close" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const answer: unknown = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer;
  };
  const merge = "application/merge-patch+json";
  const furnish = async () => {
    const definition: unknown = parse(readFileSync(CRD, "utf8"));
    await call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition);
    for (const name of ["demo", "other"]) {
      await call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
  };
  await furnish();
  return {
    url,
    call,
    kubectl: async (...args) => {
      const settings = ["--kubeconfig", kubeconfig, "--cache-dir", join(t.testdirName, "cache")];
      return (await run("kubectl", [...settings, ...args])).stdout;
    },
    make: (name, spec) => call("POST", COLLECTION, toggle(name, spec)),
    change: (name, spec) => call("PATCH", `${COLLECTION}/${name}`, { spec }, merge),
    setStatus: (name, status) => call("PATCH", `${COLLECTION}/${name}/status`, { status }, merge),
    remove: (name) => call("DELETE", `${COLLECTION}/${name}`),
    replace: async () => {
      await server.close();
      server = await startApiServer({ ...options, port });
      await furnish();
    },
  };
};

const HURRY = 10;

/** A clock on which ten seconds pass in one. */
export const hurriedClock: Clock = {
  now: () => performance.now() * HURRY,
  after: (ms, action) => {
    const timer = setTimeout(action, ms / HURRY);
    return () => clearTimeout(timer);
  },
};

export const configOf = (
  origin: string,
  credentials: KubernetesCredentials = { kind: "none" },
): KubernetesConfig => ({ origin, pathPrefix: "", credentials });

export type Watched = {
  toggles: WatchedToggles;
  log: RecordedLog;
  /** Each change told, as `name=enabled`, `name=on` by default and `name=gone`. */
  changes: string[];
  watch: string[];
  exchanges: string[];
  /** Resolves when the condition holds, which is looked at after each change and each event of the watch. */
  until(condition: () => boolean): Promise<void>;
};

/** For answers that are to come however busy the machine is. */
const PATIENT_MS = 20_000;

/** Toggles opened on `config`, and what they told. */
export const watchToggles = (
  t: Test,
  config: KubernetesConfig,
  options: Partial<WatchedTogglesOptions> = {},
): Watched => {
  const log = recordedLog();
  const waiting = new Set<() => void>();
  const look = () => {
    for (const check of [...waiting]) check();
  };
  const watch: string[] = [];
  const exchanges: string[] = [];
  const changes: string[] = [];
  const toggles = openToggles({
    config,
    namespace: "demo",
    logger: log.logger,
    timeoutMs: options.clock === hurriedClock ? PATIENT_MS * HURRY : PATIENT_MS,
    onWatch: (event) => {
      watch.push(event);
      look();
    },
    onExchange: ({ verb, outcome }) => {
      exchanges.push(`${verb} ${outcome}`);
      look();
    },
    ...options,
  });
  t.teardown(() => toggles.close());
  toggles.subscribe(({ name, toggle }) => {
    const { enabled = true } = toggle?.spec ?? {};
    changes.push(`${name}=${toggle === undefined ? "gone" : enabled ? "on" : "off"}`);
    look();
  });
  return {
    toggles,
    log,
    changes,
    watch,
    exchanges,
    until: (condition) =>
      new Promise((resolve) => {
        const check = () => {
          // After the state of the watch itself has changed, too.
          queueMicrotask(() => {
            if (!condition()) return;
            waiting.delete(check);
            resolve();
          });
        };
        waiting.add(check);
        check();
      }),
  };
};

/** What a fresh list of the API server's says, as `list` shows it. */
export const freshList = async (api: TestApi): Promise<object[]> => {
  const answer = await api.call("GET", COLLECTION);
  const items = (answer as { items: { metadata: { managedFields?: unknown[] } }[] }).items;
  return items.map((item) => {
    const { managedFields, ...metadata } = item.metadata;
    return { ...item, metadata: { ...metadata, managedFields: switchRecordsOf(managedFields) } };
  });
};
