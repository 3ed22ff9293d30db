// SPDX-License-Identifier: Apache-2.0
// Reads an HSMDevice back from the API server before its status gives roles to agents: Metacontroller's copy may be an old one, and
// whoever has its bearer token can send another.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import type { HSMDevice } from "../../hooks/hsmdevice/schema.ts";
import { type KubernetesClient, openKubernetesClient } from "../kubernetes/client.ts";
import { type InCluster, inClusterAccess } from "../kubernetes/in-cluster.ts";

/**
 * `current`: the API server has the object as the hook was told. `outdated`: it has another one, or none. `unknown`: it can't be
 * asked.
 */
export type StatusAge = "current" | "outdated" | "unknown";

export type StatusCheck = {
  /** Never throws. */
  age(parent: HSMDevice): Promise<StatusAge>;
  close(): Promise<void>;
};

const Held = Type.Object({
  metadata: Type.Object({ uid: Type.String(), resourceVersion: Type.String() }),
});

/** Agents and discovery have five of the ten seconds that Metacontroller waits. */
const TIMEOUT_MS = 1500;

/** The check through `client`, which needs the right to get HSMDevices. */
export const createStatusCheck = (client: KubernetesClient, logger: Logger): StatusCheck => ({
  async age({ metadata: { namespace, name, uid, resourceVersion } }) {
    const path = `/apis/hsm.j5t.io/v1alpha1/namespaces/${encodeURIComponent(namespace)}/hsmdevices/${encodeURIComponent(name)}`;
    const answer = await client.request({ verb: "get", path });
    if (!answer.ok && answer.kind !== "not-found") {
      logger.warn({ object: `${namespace}/${name}`, fault: answer.what }, "an HSMDevice can't be read back");
      return "unknown";
    }
    if (!answer.ok || !Value.Check(Held, answer.body)) return "outdated";
    const held = answer.body.metadata;
    return held.uid === uid && held.resourceVersion === resourceVersion ? "current" : "outdated";
  },
  close: () => client.close(),
});

/** Outside a cluster there is nobody to ask, and a hook's body is believed. */
export const noStatusCheck: StatusCheck = { age: async () => "current", close: async () => {} };

/**
 * The check of a pod, with its service account.
 * @throws UnusableFile when the token or CA file can't be used at the start.
 */
export const statusCheckOf = (inCluster: InCluster | undefined, logger: Logger): StatusCheck =>
  inCluster === undefined
    ? noStatusCheck
    : createStatusCheck(
        openKubernetesClient({ config: inClusterAccess(inCluster), logger, timeoutMs: TIMEOUT_MS }),
        logger,
      );
