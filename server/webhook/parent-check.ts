// SPDX-License-Identifier: Apache-2.0
// Confirms with the API server that an HSMSecret is what a hook's request says, before a token is changed for it: whoever has
// Metacontroller's bearer token can send that request.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import { DNS_SUBDOMAIN, MAX_NAME } from "../../hooks/formats.ts";
import { HSMSecret, type RemovalOutcome } from "../../hooks/hsmsecret/index.ts";
import { resolveSpec } from "../../hooks/hsmsecret/resolved-spec.ts";
import { type KubernetesClient, openKubernetesClient } from "../kubernetes/client.ts";
import { type InCluster, inClusterAccess } from "../kubernetes/in-cluster.ts";

type Refusal = Extract<RemovalOutcome, { outcome: "refused" | "unavailable" }>;

export type ParentCheck = {
  /** Why nothing may be written or removed for `parent`; undefined where the API server has it as it is said to be. */
  refusal(parent: HSMSecret, change: "write" | "remove"): Promise<Refusal | undefined>;
  close(): Promise<void>;
};

/** `.` and `..` and whatever else would make another path of it is no name. */
const Name = Type.String({ pattern: DNS_SUBDOMAIN, maxLength: MAX_NAME });
/** A hook's 8 seconds are for the token. */
const TIMEOUT_MS = 1500;
/** What decides where a change goes, and whether there is one. */
const DECISIVE = ["hsmPath", "device", "writeBack", "deletionPolicy"] as const;

const CODE = "PARENT_UNCONFIRMED";
const refused = (what: string): Refusal => ({
  outcome: "refused",
  code: CODE,
  message: `the API server ${what}; nothing was changed on the token.`,
});

/** What differs between what the API server has and what the hook was told; undefined where nothing does. */
const differenceOf = (held: unknown, told: HSMSecret, change: "write" | "remove"): string | undefined => {
  if (!Value.Check(HSMSecret, held)) return "answered something that is not an HSMSecret";
  if (held.metadata.uid !== told.metadata.uid) return "has another HSMSecret of that name";
  const [known, said] = [resolveSpec(held), resolveSpec(told)];
  const field = DECISIVE.find((name) => known[name] !== said[name]);
  if (field !== undefined) return `has another spec.${field} of that HSMSecret`;
  return change === "remove" && held.metadata.deletionTimestamp === undefined
    ? "has that HSMSecret, and it is not being deleted"
    : undefined;
};

/** The check through `client`, which needs the right to get HSMSecrets. */
export const createParentCheck = (client: KubernetesClient, logger: Logger): ParentCheck => ({
  async refusal(parent, change) {
    const { namespace, name } = parent.metadata;
    if (!Value.Check(Name, namespace) || !Value.Check(Name, name)) return refused("can't have such a name");
    const answer = await client.request({
      verb: "get",
      path: `/apis/hsm.j5t.io/v1alpha1/namespaces/${namespace}/hsmsecrets/${name}`,
    });
    if (!answer.ok && answer.kind !== "not-found") {
      logger.warn({ object: `${namespace}/${name}`, fault: answer.what }, "an HSMSecret can't be confirmed");
      const rights = answer.kind === "forbidden" ? " The webhook's service account must get HSMSecrets." : "";
      const message = `the API server ${answer.what}; nothing was changed on the token.${rights}`;
      return { outcome: "unavailable", code: CODE, message };
    }
    const difference = answer.ok ? differenceOf(answer.body, parent, change) : "has no such HSMSecret";
    if (difference === undefined) return undefined;
    logger.warn(
      { object: `${namespace}/${name}`, fault: difference },
      "an HSMSecret is not what a hook says",
    );
    return refused(difference);
  },
  close: () => client.close(),
});

/** Outside a cluster there is nobody to ask, and a hook's body is believed. */
export const noParentCheck: ParentCheck = { refusal: async () => undefined, close: async () => {} };

/**
 * The check of a pod, with its service account.
 * @throws UnusableFile when the token or CA file can't be used at the start.
 */
export const parentCheckOf = (inCluster: InCluster | undefined, logger: Logger): ParentCheck => {
  if (inCluster === undefined) return noParentCheck;
  const config = inClusterAccess(inCluster);
  return createParentCheck(openKubernetesClient({ config, logger, timeoutMs: TIMEOUT_MS }), logger);
};
