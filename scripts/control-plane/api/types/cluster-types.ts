// SPDX-License-Identifier: Apache-2.0
// The structs of everything that is not a workload: configuration, services, access rules, events.
import type { Structs } from "./struct-schema.ts";

export const clusterTypes: Structs = {
  Namespace: { fields: { spec: "NamespaceSpec", status: "NamespaceStatus" } },
  NamespaceSpec: { fields: { finalizers: "string[]" } },
  NamespaceStatus: { fields: { phase: "string", conditions: "Condition[type]" } },
  Node: { fields: { spec: "NodeSpec", status: "any" } },
  NodeSpec: { fields: { podCIDR: "string", providerID: "string", unschedulable: "bool", taints: "any[]" } },
  Secret: {
    description: "Secret holds secret data of a certain type.",
    fields: { immutable: "bool", data: "map<bytes>", stringData: "map<string>", type: "string" },
  },
  ConfigMap: { fields: { immutable: "bool", data: "map<string>", binaryData: "map<bytes>" } },
  ServiceAccount: {
    fields: {
      secrets: "ObjectReference[name]",
      imagePullSecrets: "LocalObjectReference[]",
      automountServiceAccountToken: "bool",
    },
  },
  Service: { fields: { spec: "ServiceSpec", status: 'ServiceStatus = {"loadBalancer":{}}' } },
  ServiceSpec: {
    fields: {
      ports: "ServicePort[port,protocol]",
      selector: "atomicMap<string>",
      clusterIP: "string",
      clusterIPs: "string[]",
      type: 'string = "ClusterIP"',
      externalIPs: "string[]",
      sessionAffinity: 'string = "None"',
      loadBalancerIP: "string",
      loadBalancerSourceRanges: "string[]",
      externalName: "string",
      externalTrafficPolicy: "string",
      healthCheckNodePort: "int",
      publishNotReadyAddresses: "bool",
      sessionAffinityConfig: "&any",
      ipFamilies: "string[]",
      ipFamilyPolicy: "string",
      allocateLoadBalancerNodePorts: "bool",
      loadBalancerClass: "string",
      internalTrafficPolicy: "string",
      trafficDistribution: "string",
    },
  },
  ServicePort: {
    fields: {
      name: "string",
      protocol: 'string = "TCP"',
      appProtocol: "string",
      port: "int!",
      targetPort: "intOrString",
      nodePort: "int",
    },
  },
  ServiceStatus: { fields: { loadBalancer: "any", conditions: "Condition[type]" } },
  Event: {
    fields: {
      involvedObject: "ObjectReference!",
      reason: "string",
      message: "string",
      source: "EventSource = {}",
      firstTimestamp: "time",
      lastTimestamp: "time",
      count: "int",
      type: "string",
      eventTime: "time",
      series: "&any",
      action: "string",
      related: "&ObjectReference",
      reportingComponent: 'string = ""',
      reportingInstance: 'string = ""',
    },
  },
  EventSource: { fields: { component: "string", host: "string" } },
  PolicyRule: {
    fields: {
      verbs: "string[]!",
      apiGroups: "string[]",
      resources: "string[]",
      resourceNames: "string[]",
      nonResourceURLs: "string[]",
    },
  },
  Role: { fields: { rules: "PolicyRule[]" } },
  ClusterRole: { fields: { rules: "PolicyRule[]", aggregationRule: "&any" } },
  Subject: {
    atomic: true,
    fields: { kind: "string!", apiGroup: "string", name: "string!", namespace: "string" },
  },
  RoleRef: {
    atomic: true,
    fields: { apiGroup: 'string = "rbac.authorization.k8s.io"', kind: "string!", name: "string!" },
  },
  RoleBinding: { fields: { subjects: "Subject[]", roleRef: "RoleRef!" } },
  NetworkPolicy: { fields: { spec: "NetworkPolicySpec" } },
  NetworkPolicySpec: {
    fields: {
      podSelector: "LabelSelector",
      ingress: "NetworkPolicyIngressRule[]",
      egress: "NetworkPolicyEgressRule[]",
      policyTypes: "string[]",
    },
  },
  NetworkPolicyIngressRule: { fields: { ports: "NetworkPolicyPort[]", from: "NetworkPolicyPeer[]" } },
  NetworkPolicyEgressRule: { fields: { ports: "NetworkPolicyPort[]", to: "NetworkPolicyPeer[]" } },
  NetworkPolicyPort: { fields: { protocol: 'string = "TCP"', port: "intOrString", endPort: "int" } },
  NetworkPolicyPeer: {
    fields: { podSelector: "&LabelSelector", namespaceSelector: "&LabelSelector", ipBlock: "&IPBlock" },
  },
  IPBlock: { fields: { cidr: "string!", except: "string[]" } },
  PodDisruptionBudget: {
    fields: { spec: "PodDisruptionBudgetSpec", status: "PodDisruptionBudgetStatus = {}" },
  },
  PodDisruptionBudgetSpec: {
    fields: {
      minAvailable: "intOrString",
      selector: "&LabelSelector",
      maxUnavailable: "intOrString",
      unhealthyPodEvictionPolicy: "string",
    },
  },
  PodDisruptionBudgetStatus: {
    fields: {
      observedGeneration: "int",
      disruptedPods: "map<time>",
      disruptionsAllowed: "int = 0",
      currentHealthy: "int = 0",
      desiredHealthy: "int = 0",
      expectedPods: "int = 0",
      conditions: "Condition[type]",
    },
  },
  Lease: { fields: { spec: "LeaseSpec" } },
  LeaseSpec: {
    fields: {
      holderIdentity: "string",
      leaseDurationSeconds: "int",
      acquireTime: "time",
      renewTime: "time",
      leaseTransitions: "int",
      strategy: "string",
      preferredHolder: "string",
    },
  },
  PriorityClass: {
    fields: {
      value: "int!",
      globalDefault: "bool",
      description: "string",
      preemptionPolicy: 'string = "PreemptLowerPriority"',
    },
  },
  Limits: { fields: { spec: "any", status: "any" } },
};
