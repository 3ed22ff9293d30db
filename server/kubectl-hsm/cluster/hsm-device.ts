// SPDX-License-Identifier: Apache-2.0
// Reads an HSMDevice: the Secret of its agents' PIN, and the names of all its agents, whether they run or not.
import { Type } from "@sinclair/typebox";
import { isObjectName } from "../../../hooks/formats.ts";
import { agentName, labelOf } from "../../../hooks/hsmdevice/names.ts";
import { compileSchema } from "../../http/validation.ts";
import { CommandFailed } from "../exit-codes.ts";
import { type AgentPod, agentsOfHsmDevice } from "./agent-pod.ts";
import type { Kubectl } from "./kubectl.ts";

const Device = compileSchema(
  Type.Object({
    metadata: Type.Object({ name: Type.String(), uid: Type.String() }),
    spec: Type.Object({
      pkcs11: Type.Object({
        pinSecret: Type.Object({ name: Type.String(), key: Type.Optional(Type.String()) }),
      }),
    }),
    status: Type.Optional(
      Type.Object({ discoveredDevices: Type.Optional(Type.Array(Type.Object({ id: Type.String() }))) }),
    ),
  }),
);

export type HsmDevice = {
  name: string;
  pin: { secret: string; key: string };
  /** Each agent by its name, in the order of the names; undefined where it does not run. */
  members: ReadonlyMap<string, AgentPod | undefined>;
};

/** @throws CommandFailed where there is none of that name */
export const readHsmDevice = async (
  kubectl: Kubectl,
  namespace: string,
  name: string,
): Promise<HsmDevice> => {
  if (!isObjectName(name)) throw new CommandFailed("usage", "--hsm-device must be an HSMDevice's name");
  const object = await kubectl.get(["hsmdevices.hsm.j5t.io", name, "-n", namespace]);
  if (object === undefined) {
    throw new CommandFailed("usage", `there is no HSMDevice of that name in the namespace ${namespace}`);
  }
  if (!Device.Check(object)) {
    throw new CommandFailed("unreachable", "kubectl's HSMDevice can't be understood");
  }
  const { metadata, spec, status } = object;
  const { name: secret, key = "pin" } = spec.pkcs11.pinSecret;
  const running = await agentsOfHsmDevice(kubectl, namespace, labelOf({ metadata }));
  const known = (status?.discoveredDevices ?? []).map(({ id }) => agentName({ metadata }, id));
  const names = [...new Set([...known, ...running.keys()])].sort();
  return { name, pin: { secret, key }, members: new Map(names.map((one) => [one, running.get(one)])) };
};
