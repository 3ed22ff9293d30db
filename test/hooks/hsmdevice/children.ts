// SPDX-License-Identifier: Apache-2.0
// Provides what an HSMDevice makes in a small cluster that has settled: its children, and the agent's pod.
import { pico, World } from "./world.ts";

type Container = Record<string, unknown> & { env?: { name: string; value?: string }[] };
export type PodSpec = Record<string, unknown> & { containers: Container[]; initContainers: Container[] };
export type Child = {
  kind: string;
  metadata: { name: string; namespace: string; labels: Record<string, string> };
  spec: Record<string, unknown> & { template: { metadata: { labels: object }; spec: PodSpec } };
};

export const settled = (change?: (world: World) => void): World => {
  const world = new World({ a: [pico("A")] });
  change?.(world);
  return world.run(20);
};
export const childrenOf = (world: World) => world.children as unknown as Child[];
export const podOf = (world: World): PodSpec => {
  const found = childrenOf(world).find(({ kind }) => kind === "Deployment")?.spec.template.spec;
  if (found === undefined) throw new Error("no agent");
  return found;
};
