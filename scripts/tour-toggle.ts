// SPDX-License-Identifier: Apache-2.0
// Defines the tour's step in which a Toggle switches a Deployment.
import type { Stack } from "./local/stack.ts";
import { NAMESPACE } from "./tour-step.ts";

const NAME = "web";

/** A Toggle for the Deployment that `kubectl create deployment NAME` makes. */
const TOGGLE = JSON.stringify({
  apiVersion: "toggle.j5t.io/v1alpha1",
  kind: "Toggle",
  metadata: { name: NAME, namespace: NAMESPACE },
  spec: { enabled: true, selector: { matchLabels: { app: NAME } } },
});

/** Switches off and on, and deletes the Toggle; answers with what was seen, and throws where something is wrong. */
export const toggleStep = async ({ kubectl }: Stack, seconds: number): Promise<string> => {
  const timeout = `--timeout=${Math.ceil(seconds)}s`;
  const replicas = () =>
    kubectl(["get", "-n", NAMESPACE, "deployment", NAME, "-o", "jsonpath={.spec.replicas}"]);
  const becomes = (phase: string) => {
    const isSo = `--for=jsonpath={.status.phase}=${phase}`;
    return kubectl(["wait", "-n", NAMESPACE, `toggle/${NAME}`, isSo, timeout]);
  };
  const switchTo = (enabled: boolean) => {
    const patch = JSON.stringify({ spec: { enabled } });
    return kubectl(["patch", "-n", NAMESPACE, "toggle", NAME, "--type=merge", "-p", patch]);
  };
  await kubectl(["create", "-n", NAMESPACE, "deployment", NAME, `--image=${NAME}`, "--replicas=3"]);
  await kubectl(["apply", "-f", "-"], TOGGLE);
  await becomes("Running");
  for (const [enabled, phase, count] of [
    [false, "Off", "0"],
    [true, "Running", "3"],
  ] as const) {
    await switchTo(enabled);
    await becomes(phase);
    const found = await replicas();
    if (found !== count) throw new Error(`${phase} with ${found} replicas instead of ${count}`);
  }
  await kubectl(["delete", "-n", NAMESPACE, "toggle", NAME, "--cascade=orphan", timeout]);
  if ((await replicas()) !== "3") throw new Error("the Deployment did not stay at 3 replicas");
  return "3, 0, 3 replicas, and still 3 after kubectl delete --cascade=orphan";
};
