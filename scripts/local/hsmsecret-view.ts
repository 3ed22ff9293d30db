// SPDX-License-Identifier: Apache-2.0
// Reads the status of an HSMSecret and its Secret with kubectl, for the tour and the end-to-end tests.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { fromBase64Map } from "../../hooks/formats.ts";
import { HSMSecretStatus } from "../../hooks/hsmsecret/schema.ts";
import { Secret } from "../../hooks/kubernetes.ts";
import { conditionOf } from "../../hooks/metadata.ts";
import type { Kubectl } from "./kubectl.ts";

const WithStatus = Type.Object({ status: Type.Optional(HSMSecretStatus) });

/** The status of the HSMSecret `namespace/name`; empty where it has none yet. */
export const statusOf = async (
  kubectl: Kubectl,
  namespace: string,
  name: string,
): Promise<HSMSecretStatus> => {
  const object = await kubectl.get(["hsmsecret", name, "-n", namespace]);
  if (!Value.Check(WithStatus, object)) throw new Error(`${namespace}/${name} has a status that is not ours`);
  return object.status ?? {};
};

/** `status` and `reason` of the Ready condition, e.g. `True Synced`; empty where there is none yet. */
export const readyOf = (status: HSMSecretStatus): string => {
  const ready = conditionOf(status.conditions, "Ready");
  return ready === undefined ? "" : `${ready.status} ${ready.reason}`;
};

/** The Secret `namespace/name`, or undefined. */
export const secretOf = async (
  kubectl: Kubectl,
  namespace: string,
  name: string,
): Promise<Secret | undefined> => {
  const object = await kubectl.get(["secret", name, "-n", namespace]);
  if (object === undefined) return undefined;
  if (!Value.Check(Secret, object)) throw new Error(`${namespace}/${name} is not a Secret`);
  return object;
};

/** The data of `secret`, decoded. */
export const plainData = (secret: Secret | undefined): Record<string, string> | undefined =>
  secret &&
  Object.fromEntries(Array.from(fromBase64Map(secret.data ?? {}), ([key, value]) => [key, value.toString()]));

/** Sets keys of a Secret, as somebody does by hand. */
export const editSecret = (
  kubectl: Kubectl,
  namespace: string,
  name: string,
  stringData: Readonly<Record<string, string>>,
): Promise<string> =>
  kubectl(["patch", "-n", namespace, "secret", name, "--type=merge", "-p", JSON.stringify({ stringData })]);
