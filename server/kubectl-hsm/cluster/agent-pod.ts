// SPDX-License-Identifier: Apache-2.0
// Finds the agent's pod, the port it listens on, and the Secret that holds its PIN.
import { Type } from "@sinclair/typebox";
import { StringMap } from "../../../hooks/kubernetes.ts";
import { compileSchema } from "../../http/validation.ts";
import { CommandFailed } from "../exit-codes.ts";
import { oneLine } from "../io.ts";
import type { Kubectl } from "./kubectl.ts";

/** The label that all agents' pods have (manifests/agent), and the one with the agent's name. */
const AGENTS = "app.kubernetes.io/name=keyswitch-agent";
const DEVICE = "hsm.j5t.io/device";
const DEFAULT_PORT = 8444;

const PodList = Type.Object({
  items: Type.Array(
    Type.Object({
      metadata: Type.Object({
        name: Type.String({ pattern: "^[a-z0-9][-a-z0-9.]*$" }),
        labels: Type.Optional(StringMap),
        deletionTimestamp: Type.Optional(Type.String()),
      }),
      spec: Type.Object({
        containers: Type.Array(
          Type.Object({
            ports: Type.Optional(
              Type.Array(Type.Object({ name: Type.Optional(Type.String()), containerPort: Type.Integer() })),
            ),
          }),
        ),
        volumes: Type.Optional(
          Type.Array(
            Type.Object({
              name: Type.String(),
              secret: Type.Optional(Type.Object({ secretName: Type.Optional(Type.String()) })),
            }),
          ),
        ),
      }),
      status: Type.Optional(
        Type.Object({
          phase: Type.Optional(Type.String()),
          conditions: Type.Optional(Type.Array(Type.Object({ type: Type.String(), status: Type.String() }))),
        }),
      ),
    }),
  ),
});
const podList = compileSchema(PodList);

export type AgentPod = {
  name: string;
  /** The agent's name. */
  device: string;
  port: number;
  /** Of the volume `pin`. */
  pinSecret: string | undefined;
};

/** @throws CommandFailed where none runs, none has the name, or several do and none is named. */
export const findAgentPod = async (
  kubectl: Kubectl,
  namespace: string,
  agent: string | undefined,
): Promise<AgentPod> => {
  const found = await kubectl.get(["pods", "-n", namespace, "-l", AGENTS]);
  const items = found === undefined ? [] : podList.Check(found) ? found.items : unreadable();
  const pods = items
    .filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.phase === "Running")
    .map(({ metadata, spec, status }) => ({
      name: metadata.name,
      device: metadata.labels?.[DEVICE] ?? "",
      port:
        spec.containers.flatMap(({ ports = [] }) => ports).find(({ name }) => name === "https")
          ?.containerPort ?? DEFAULT_PORT,
      pinSecret: spec.volumes?.find(({ name }) => name === "pin")?.secret?.secretName,
      ready: status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false,
    }))
    // One whose token can't be read still answers, and says why; but one that is ready goes first.
    .sort((a, b) => Number(b.ready) - Number(a.ready));
  const devices = [...new Set(pods.map(({ device }) => device))].sort();
  const wanted = agent === undefined ? pods : pods.filter(({ device }) => device === agent);
  const [pod] = wanted;
  if (pod === undefined) {
    throw new CommandFailed(
      "unreachable",
      pods.length === 0
        ? `no agent runs in the namespace ${namespace}`
        : `no agent of that name runs in the namespace ${namespace}; there are: ${oneLine(devices.join(", "))}`,
    );
  }
  if (agent === undefined && devices.length > 1) {
    throw new CommandFailed(
      "usage",
      `there are several agents: choose one with --agent ${oneLine(devices.join("|"))}`,
    );
  }
  return pod;
};

const unreadable = (): never => {
  throw new CommandFailed("unreachable", "kubectl's list of the agent's pods can't be understood");
};
