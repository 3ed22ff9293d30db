// SPDX-License-Identifier: Apache-2.0
// Lists the kinds that exist without a CustomResourceDefinition.
import type { ResourceKind } from "../registry.ts";
import { builtInColumns } from "../table/built-in-columns.ts";
import { builtInSchema } from "../types/built-in-schemas.ts";
import { customResourceDefinitions } from "./custom-resource-definitions.ts";
import { eventBehaviour } from "./events.ts";
import { kindOf } from "./kind.ts";
import { namespaces } from "./namespaces.ts";
import { configMapBehaviour, secretBehaviour } from "./secrets.ts";
import { serviceBehaviour } from "./services.ts";
import {
  daemonSetBehaviour,
  deploymentBehaviour,
  podBehaviour,
  replicaSetBehaviour,
  statefulSetBehaviour,
} from "./workloads.ts";

type Options = Partial<ResourceKind> & { struct?: string };

const kinds = (group: string, version: string, list: [kind: string, plural: string, options?: Options][]) =>
  list.map(([kind, plural, { struct, ...options } = {}]) =>
    kindOf({
      group,
      version,
      kind,
      plural,
      schema: builtInSchema(struct ?? kind),
      columns: builtInColumns(kind),
      ...options,
    }),
  );

const workload = { categories: ["all"], statusSubresource: true, countsGeneration: true };
const scale = {
  spec: ["spec", "replicas"],
  status: ["status", "replicas"],
  labelSelector: ["spec", "selector"],
};

/** Every built-in kind. */
export const builtInKinds = (): ResourceKind[] => [
  namespaces,
  ...kinds("", "v1", [
    ["Secret", "secrets", { behaviour: secretBehaviour }],
    ["ConfigMap", "configmaps", { shortNames: ["cm"], behaviour: configMapBehaviour }],
    [
      "Service",
      "services",
      { shortNames: ["svc"], categories: ["all"], statusSubresource: true, behaviour: serviceBehaviour },
    ],
    ["Node", "nodes", { shortNames: ["no"], namespaced: false, statusSubresource: true }],
    ["ServiceAccount", "serviceaccounts", { shortNames: ["sa"] }],
    ["Event", "events", { shortNames: ["ev"], behaviour: eventBehaviour }],
    [
      "Pod",
      "pods",
      { shortNames: ["po"], categories: ["all"], statusSubresource: true, behaviour: podBehaviour },
    ],
    ["ResourceQuota", "resourcequotas", { shortNames: ["quota"], struct: "Limits" }],
    ["LimitRange", "limitranges", { shortNames: ["limits"], struct: "Limits" }],
  ]),
  ...kinds("apps", "v1", [
    [
      "Deployment",
      "deployments",
      { ...workload, shortNames: ["deploy"], scale, behaviour: deploymentBehaviour },
    ],
    ["ReplicaSet", "replicasets", { ...workload, shortNames: ["rs"], scale, behaviour: replicaSetBehaviour }],
    [
      "StatefulSet",
      "statefulsets",
      { ...workload, shortNames: ["sts"], scale, behaviour: statefulSetBehaviour },
    ],
    ["DaemonSet", "daemonsets", { ...workload, shortNames: ["ds"], behaviour: daemonSetBehaviour }],
  ]),
  ...kinds("rbac.authorization.k8s.io", "v1", [
    ["Role", "roles"],
    ["RoleBinding", "rolebindings"],
    ["ClusterRole", "clusterroles", { namespaced: false }],
    ["ClusterRoleBinding", "clusterrolebindings", { namespaced: false, struct: "RoleBinding" }],
  ]),
  ...kinds("networking.k8s.io", "v1", [
    ["NetworkPolicy", "networkpolicies", { shortNames: ["netpol"], countsGeneration: true }],
  ]),
  ...kinds("policy", "v1", [
    [
      "PodDisruptionBudget",
      "poddisruptionbudgets",
      { shortNames: ["pdb"], statusSubresource: true, countsGeneration: true },
    ],
  ]),
  ...kinds("coordination.k8s.io", "v1", [["Lease", "leases"]]),
  ...kinds("scheduling.k8s.io", "v1", [
    ["PriorityClass", "priorityclasses", { shortNames: ["pc"], namespaced: false, countsGeneration: true }],
  ]),
  customResourceDefinitions,
  ...kinds("metacontroller.k8s.io", "v1alpha1", [
    [
      "CompositeController",
      "compositecontrollers",
      { shortNames: ["cc", "cctl"], namespaced: false, statusSubresource: true, countsGeneration: true },
    ],
  ]),
];
