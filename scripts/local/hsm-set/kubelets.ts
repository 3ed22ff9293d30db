// SPDX-License-Identifier: Apache-2.0
// Plays scheduler and kubelets: has each node of a set run the agents whose Deployments name it.
import { AGENT, NODE, OF_DEVICE } from "../../../hooks/hsmdevice/names.ts";
import type { SerialQueue } from "../../../server/queue.ts";
import type { KubeClient, KubeObject } from "../../control-plane/client.ts";
import { startInformer } from "../../control-plane/engine/informer.ts";
import { KINDS } from "../kinds.ts";
import { asWorkload } from "../pod-process.ts";
import type { SetNode } from "./node.ts";
import { SET_NAME } from "./plan.ts";

/** Follows the Deployments of the set until it is closed; what it does goes through `queue`, and what fails to `log`. */
export const runKubelets = (
  client: KubeClient,
  nodes: readonly SetNode[],
  queue: SerialQueue,
  log: (line: string) => void,
): { close(): void } => {
  const informer = startInformer(client, KINDS.Deployment);
  const nodeOf = ({ metadata: { labels = {}, annotations = {} } }: KubeObject): SetNode | undefined =>
    labels["app.kubernetes.io/name"] === AGENT["app.kubernetes.io/name"] && labels[OF_DEVICE] === SET_NAME
      ? nodes.find(({ place }) => place.node === annotations[NODE])
      : undefined;
  const work = (object: KubeObject, run: (node: SetNode, name: string) => Promise<void>): void => {
    const node = nodeOf(object);
    const { name } = object.metadata;
    if (node === undefined || name === undefined) return;
    queue(() => run(node, name)).catch((error: unknown) => log(`${name}: ${String(error)}`));
  };
  const assign = (object: KubeObject): void =>
    work(object, async (node, name) => {
      const { template } = asWorkload(object, name).spec;
      await node.assign({ name, workload: { spec: { template } } });
    });
  informer.subscribe({
    added: assign,
    updated: (_, current) => assign(current),
    deleted: (object) => work(object, (node, name) => node.release(name)),
  });
  return informer;
};
