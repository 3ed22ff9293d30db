// SPDX-License-Identifier: Apache-2.0
// Pods by their labels, and what of them tells whether and where they can be asked.
import { type Static, Type } from "@sinclair/typebox";
import { StringMap } from "../../../hooks/kubernetes.ts";
import { compileSchema } from "../../http/validation.ts";
import { CommandFailed } from "../exit-codes.ts";
import type { Kubectl } from "./kubectl.ts";

const Pod = Type.Object({
  metadata: Type.Object({
    name: Type.String({ pattern: "^[a-z0-9][-a-z0-9.]*$" }),
    labels: Type.Optional(StringMap),
    deletionTimestamp: Type.Optional(Type.String()),
  }),
  spec: Type.Object({
    nodeName: Type.Optional(Type.String()),
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
});
export type Pod = Static<typeof Pod>;

const podList = compileSchema(Type.Object({ items: Type.Array(Pod) }));

/** The pods with the label, but for those that are being deleted. @throws CommandFailed */
export const podsOf = async (kubectl: Kubectl, namespace: string, label: string): Promise<Pod[]> => {
  const found = await kubectl.get(["pods", "-n", namespace, "-l", label]);
  if (found === undefined) return [];
  if (!podList.Check(found)) {
    throw new CommandFailed("unreachable", `kubectl's list of the pods ${label} can't be understood`);
  }
  return found.items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
};

export const isRunning = ({ status }: Pod): boolean => status?.phase === "Running";

export const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;

/** Of the container port `https`. */
export const httpsPort = ({ spec }: Pod): number | undefined =>
  spec.containers.flatMap(({ ports = [] }) => ports).find(({ name }) => name === "https")?.containerPort;
