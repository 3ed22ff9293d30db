// SPDX-License-Identifier: Apache-2.0
// Replaces scheduler and kubelets where a cluster has no nodes: reports each Pod as running and ready.

import { setTimeout as sleep } from "node:timers/promises";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { rfc3339 } from "../../server/time.ts";
import { createKubeClient, type KubeObject, type ResourceInfo } from "../control-plane/client.ts";

const pods: ResourceInfo = {
  apiVersion: "v1",
  kind: "Pod",
  plural: "pods",
  namespaced: true,
  hasStatus: true,
};
const Phase = Type.Object({ status: Type.Object({ phase: Type.String() }) });

/** It asks this often; a Deployment's status follows at once. */
const PACE_MS = 100;

const isPending = (pod: KubeObject): boolean => {
  if (!Value.Check(Phase, pod)) return false;
  const { status }: Static<typeof Phase> = pod;
  return status.phase === "Pending";
};

const CONDITIONS = ["PodScheduled", "Initialized", "ContainersReady", "Ready"];

/** Makes Pods of the API at `url` ready until the answer is called. */
export const keepPodsReady = (url: string): (() => Promise<void>) => {
  const client = createKubeClient(url, "kubelet");
  let ended = false;
  const work = async () => {
    while (!ended) {
      const listed = await client.list(pods);
      const now = rfc3339(new Date());
      const conditions = CONDITIONS.map((type) => ({ type, status: "True", lastTransitionTime: now }));
      const status = { phase: "Running", startTime: now, conditions };
      // One that has changed since is written at the next turn.
      for (const pod of listed.ok ? listed.value.items.filter(isPending) : []) {
        await client.update(pods, { ...pod, status }, "status");
      }
      await sleep(PACE_MS);
    }
  };
  const working = work();
  return async () => {
    ended = true;
    await working;
    await client.close();
  };
};
