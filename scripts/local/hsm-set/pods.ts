// SPDX-License-Identifier: Apache-2.0
// Writes nodes and pods to the API server of a local run, as kubelets do.
import {
  type JsonObject,
  listOrEmpty,
  objectOrEmpty,
  toJson,
  valueAt,
} from "../../control-plane/api/json.ts";
import type { ApiResult, KubeClient, KubeObject, ResourceInfo } from "../../control-plane/client.ts";
import { updateAtomically } from "../../control-plane/engine/atomic-update.ts";
import { KINDS } from "../kinds.ts";
import { NAMESPACE, type Place } from "./plan.ts";

/** A pod of the namespace keyswitch, as its workload's template has it. */
export type PodView = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: unknown;
  readonly ready: boolean;
};

const written = ({ kind }: ResourceInfo, name: string, result: ApiResult<KubeObject>): KubeObject => {
  if (!result.ok) throw new Error(`${kind} ${name} could not be written: ${result.message}`);
  return result.value;
};

/** Makes the node of `place` known. @throws Error where the API server refuses it */
export const showNode = async (client: KubeClient, { node }: Place): Promise<void> => {
  const object = { apiVersion: "v1", kind: "Node", metadata: { name: node } };
  written(KINDS.Node, node, await client.create(KINDS.Node, object));
};

/** Makes the pod be on the node of `place`, ready or not. @throws Error where the API server refuses it */
export const showPod = async (client: KubeClient, place: Place, pod: PodView): Promise<void> => {
  const { name } = pod;
  const resource = KINDS.Pod;
  const known = await client.get(resource, { namespace: NAMESPACE, name });
  const original = known.ok ? known.value : await makePod(client, place, pod);
  const status = statusOf(place, pod);
  const change = (fresh: KubeObject): boolean => {
    fresh.status = status;
    return true;
  };
  written(
    resource,
    name,
    await updateAtomically(client, { resource, original, subresource: "status", change }),
  );
};

const makePod = async (
  client: KubeClient,
  { node }: Place,
  { name, labels, spec }: PodView,
): Promise<KubeObject> => {
  const object: JsonObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: NAMESPACE, labels: { ...labels } },
    spec: { ...objectOrEmpty(toJson(spec)), nodeName: node },
  };
  return written(KINDS.Pod, name, await client.create(KINDS.Pod, object, NAMESPACE));
};

const statusOf = ({ host }: Place, { ready, spec }: PodView): JsonObject => ({
  phase: "Running",
  podIP: host,
  podIPs: [{ ip: host }],
  conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
  containerStatuses: listOrEmpty(valueAt(toJson(spec), ["containers"])).map((container) => ({
    name: valueAt(container, ["name"]),
    ready,
    restartCount: 0,
  })),
});

/** Takes the pod away. */
export const removePod = async (client: KubeClient, name: string): Promise<void> => {
  await client.remove(KINDS.Pod, { namespace: NAMESPACE, name });
};
