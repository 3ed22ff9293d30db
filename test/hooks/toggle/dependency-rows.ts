// SPDX-License-Identifier: Apache-2.0
// Lists rows for the sync hook: who waits for whom by spec.dependsOn, and what the status says of it.
import type { ObjectMeta } from "../../../hooks/kubernetes.ts";
import type { Deployment } from "../../../hooks/toggle/deployment.ts";
import { context, deployment, ownerReference, type RequestParts, template } from "./request.ts";

export const STOPPING = "toggle.j5t.io/stopping";
export const DEPENDS_ON_WEB = { "depends-on.toggle.j5t.io/web": "true" };

/** The Deployment of the Toggle `name`, which others depend on. */
export const its = (
  name: string,
  replicas: number,
  meta: Partial<ObjectMeta> = {},
  status: Deployment["status"] | number | null = replicas,
): Deployment =>
  deployment(
    replicas,
    {
      name: `${name}-deployment`,
      uid: `d-${name}`,
      ownerReferences: [ownerReference(`uid-${name}`, name)],
      ...meta,
      labels: { app: name, "toggle.j5t.io/toggle": name, ...meta.labels },
    },
    status,
  );

/** The Deployment of the Toggle `name`, which depends on web. */
export const dependent = (
  name: string,
  replicas: number,
  status?: Deployment["status"] | number,
): Deployment => its(name, replicas, { labels: DEPENDS_ON_WEB }, status ?? replicas);

export const onDb = { dependsOn: ["db"] };
export const off = { enabled: false };

interface Row {
  readonly name: string;
  readonly given: RequestParts;
  readonly replicas: number | undefined;
  readonly status: Record<string, unknown>;
}

export const dependencyRows: readonly Row[] = [
  {
    name: "it starts where what it depends on runs",
    given: { spec: onDb, owned: [deployment(0)], related: [its("db", 2)] },
    replicas: 1,
    status: { phase: "Starting", waitingFor: undefined },
  },
  {
    name: "it waits where that is at 0",
    given: { spec: { ...onDb, replicas: 2 }, owned: [deployment(0)], related: [its("db", 0)] },
    replicas: 0,
    status: {
      phase: "Starting",
      desiredReplicas: 2,
      waitingFor: ["db"],
      message: /stays at 0 until .*It waits for db \(not running\)\.$/,
    },
  },
  {
    name: "it waits where that has only some of its pods",
    given: { spec: onDb, owned: [deployment(0)], related: [its("db", 2, {}, 1)] },
    replicas: 0,
    status: { phase: "Starting", waitingFor: ["db"] },
  },
  {
    name: "it waits where that is being deleted",
    given: {
      spec: onDb,
      owned: [deployment(0)],
      related: [its("db", 2, { deletionTimestamp: context.now })],
    },
    replicas: 0,
    status: { phase: "Starting", waitingFor: ["db"] },
  },
  {
    name: "it waits where that is to stop, though it still runs for others",
    given: {
      spec: onDb,
      owned: [deployment(0)],
      related: [its("db", 2, { annotations: { [STOPPING]: "true" } })],
    },
    replicas: 0,
    status: { phase: "Starting", waitingFor: ["db"], message: /db \(to stop\)/ },
  },
  {
    name: "one that is not there is named",
    given: { spec: { dependsOn: ["queue", "db"] }, owned: [deployment(0)], related: [its("db", 1)] },
    replicas: 0,
    status: {
      phase: "Starting",
      waitingFor: ["queue"],
      message: /queue \(not there, or without a Deployment or StatefulSet\)/,
    },
  },
  {
    name: "a Deployment that only carries the label is not the Toggle's",
    given: {
      spec: onDb,
      owned: [deployment(0)],
      related: [
        its("db", 1, { ownerReferences: [] }),
        its("db", 1, { ownerReferences: [ownerReference("x")] }),
      ],
    },
    replicas: 0,
    status: { phase: "Starting", waitingFor: ["db"], message: /not there/ },
  },
  {
    name: "what runs goes on, whatever becomes of what it depends on",
    given: { spec: onDb, owned: [deployment(3)], related: [its("db", 0)] },
    replicas: 3,
    status: { phase: "Running", waitingFor: undefined },
  },
  {
    name: "it stops at once where nothing is up that depends on it",
    given: { spec: off, owned: [deployment(3)], related: [dependent("shop", 0)] },
    replicas: 0,
    status: { phase: "Stopping", waitingFor: undefined },
  },
  {
    name: "it stops after what depends on it",
    given: { spec: off, owned: [deployment(3)], related: [dependent("shop", 2), dependent("api", 0)] },
    replicas: 3,
    status: {
      phase: "Stopping",
      desiredReplicas: 0,
      lastReplicas: 3,
      waitingFor: ["shop"],
      message: /keeps its pods until .*It waits for shop; switch/,
    },
  },
  {
    name: "it stops after the last pod of what depends on it",
    given: { spec: off, owned: [deployment(3)], related: [dependent("shop", 0, 1)] },
    replicas: 3,
    status: { phase: "Stopping", waitingFor: ["shop"] },
  },
  {
    name: "an orphaned Deployment holds nothing up",
    given: {
      spec: off,
      owned: [deployment(3)],
      related: [its("shop", 2, { labels: DEPENDS_ON_WEB, ownerReferences: [] })],
    },
    replicas: 0,
    status: { phase: "Stopping", waitingFor: undefined },
  },
  {
    name: "who has not been switched waits for nobody",
    given: { notSwitched: true, spec: onDb, owned: [deployment(0)] },
    replicas: 0,
    status: { phase: "Off", waitingFor: undefined },
  },
  {
    name: "one made of a template is made at 0 until it may start",
    given: { spec: { ...onDb, template, replicas: 2 }, related: [] },
    replicas: 0,
    status: { phase: "Starting", desiredReplicas: 2, waitingFor: ["db"] },
  },
  {
    name: "two that depend on each other are Blocked, and say so",
    given: { spec: onDb, owned: [deployment(0)], related: [its("db", 0, { labels: DEPENDS_ON_WEB })] },
    replicas: 0,
    status: { phase: "Blocked", message: /^This Toggle and db depend on each other/ },
  },
  {
    name: "one that depends on itself is Blocked",
    given: { spec: { dependsOn: ["web"] }, owned: [deployment(3)] },
    replicas: 3,
    status: { phase: "Blocked", message: /names this Toggle itself/ },
  },
];
