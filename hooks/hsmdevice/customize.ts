// SPDX-License-Identifier: Apache-2.0
// Implements the customize hook: requests the pods of discovery and of agents that have a role, the nodes, and what has the names that the children get.
import type { CustomizeResponse } from "../metacontroller.ts";
import { agentsOf, DISCOVERY, serviceName } from "./names.ts";
import type { HSMDevice } from "./schema.ts";

/**
 * The related objects of `parent`, all of its own namespace but for the nodes. Of Deployments all: those of other HSMDevices say
 * which nodes are taken.
 */
export const customize = (parent: HSMDevice): CustomizeResponse => {
  const { namespace } = parent.metadata;
  const { nodeSelector = {}, mirroring } = parent.spec;
  const hasRoles = mirroring?.policy !== undefined && mirroring.policy !== "None";
  const agents = { matchLabels: agentsOf(parent) };
  const names = [serviceName(parent)];
  return {
    relatedResources: [
      { apiVersion: "v1", resource: "pods", namespace, labelSelector: { matchLabels: DISCOVERY } },
      ...(hasRoles ? [{ apiVersion: "v1", resource: "pods", namespace, labelSelector: agents }] : []),
      { apiVersion: "v1", resource: "nodes", labelSelector: { matchLabels: nodeSelector } },
      { apiVersion: "apps/v1", resource: "deployments", namespace },
      { apiVersion: "v1", resource: "services", namespace, names },
      { apiVersion: "networking.k8s.io/v1", resource: "networkpolicies", namespace, names },
    ],
  };
};
