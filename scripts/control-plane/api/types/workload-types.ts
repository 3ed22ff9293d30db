// SPDX-License-Identifier: Apache-2.0
// The structs of workloads: Deployment, ReplicaSet, StatefulSet, DaemonSet, Pod.
import type { Structs } from "./struct-schema.ts";

const condition = {
  type: "string!",
  status: "string!",
  lastUpdateTime: "time",
  lastTransitionTime: "time",
  reason: "string",
  message: "string",
};

export const workloadTypes: Structs = {
  Deployment: {
    description: "Deployment enables declarative updates for Pods and ReplicaSets.",
    fields: { spec: "DeploymentSpec", status: "DeploymentStatus = {}" },
  },
  DeploymentSpec: {
    description: "Specification of the desired behavior of the Deployment.",
    fields: {
      replicas: "int = 1",
      selector: "&LabelSelector!",
      template: "PodTemplateSpec!",
      strategy: "%DeploymentStrategy = {}",
      minReadySeconds: "int",
      revisionHistoryLimit: "int = 10",
      paused: "bool",
      progressDeadlineSeconds: "int = 600",
    },
  },
  DeploymentStrategy: { fields: { type: 'string = "RollingUpdate"', rollingUpdate: "&RollingUpdate" } },
  RollingUpdate: {
    fields: { maxUnavailable: "intOrString", maxSurge: "intOrString", partition: "int" },
  },
  DeploymentStatus: {
    fields: {
      observedGeneration: "int",
      replicas: "int",
      updatedReplicas: "int",
      readyReplicas: "int",
      availableReplicas: "int",
      unavailableReplicas: "int",
      terminatingReplicas: "int",
      conditions: "DeploymentCondition[type]",
      collisionCount: "int",
    },
  },
  DeploymentCondition: { fields: condition },
  ReplicaSet: { fields: { spec: "ReplicaSetSpec", status: 'ReplicaSetStatus = {"replicas":0}' } },
  ReplicaSetSpec: {
    fields: {
      replicas: "int = 1",
      minReadySeconds: "int",
      selector: "&LabelSelector!",
      template: "PodTemplateSpec",
    },
  },
  ReplicaSetStatus: {
    fields: {
      replicas: "int!",
      fullyLabeledReplicas: "int",
      readyReplicas: "int",
      availableReplicas: "int",
      terminatingReplicas: "int",
      observedGeneration: "int",
      conditions: "DeploymentCondition[type]",
    },
  },
  StatefulSet: {
    fields: {
      spec: "StatefulSetSpec",
      status: 'StatefulSetStatus = {"replicas":0,"availableReplicas":0}',
    },
  },
  StatefulSetSpec: {
    fields: {
      replicas: "int = 1",
      selector: "&LabelSelector!",
      template: "PodTemplateSpec!",
      volumeClaimTemplates: "any",
      serviceName: "string",
      podManagementPolicy: 'string = "OrderedReady"',
      updateStrategy: "DeploymentStrategy = {}",
      revisionHistoryLimit: "int = 10",
      minReadySeconds: "int",
      persistentVolumeClaimRetentionPolicy: 'any = {"whenDeleted":"Retain","whenScaled":"Retain"}',
      ordinals: "any",
    },
  },
  StatefulSetStatus: {
    fields: {
      observedGeneration: "int",
      replicas: "int!",
      readyReplicas: "int",
      currentReplicas: "int",
      updatedReplicas: "int",
      availableReplicas: "int = 0",
      currentRevision: "string",
      updateRevision: "string",
      collisionCount: "int",
      conditions: "DeploymentCondition[type]",
    },
  },
  DaemonSet: { fields: { spec: "DaemonSetSpec", status: "DaemonSetStatus = {}" } },
  DaemonSetSpec: {
    fields: {
      selector: "&LabelSelector!",
      template: "PodTemplateSpec!",
      updateStrategy: "DeploymentStrategy = {}",
      minReadySeconds: "int",
      revisionHistoryLimit: "int = 10",
    },
  },
  DaemonSetStatus: {
    fields: {
      currentNumberScheduled: "int = 0",
      numberMisscheduled: "int = 0",
      desiredNumberScheduled: "int = 0",
      numberReady: "int = 0",
      observedGeneration: "int",
      updatedNumberScheduled: "int",
      numberAvailable: "int",
      numberUnavailable: "int",
      collisionCount: "int",
      conditions: "DeploymentCondition[type]",
    },
  },
  Pod: { fields: { spec: "PodSpec", status: "any = {}" } },
};
