// SPDX-License-Identifier: Apache-2.0
// Lists rows for the sync hook: which phase a Toggle is in while its Deployment rolls out, fails to, or is paused.
import { deployment } from "./request.ts";
import { off, type Row, rolling, running, stopped } from "./sync-row.ts";

export const rolloutRows: readonly Row[] = [
  {
    name: "a rollout that missed its deadline is Degraded, though the pods of before serve",
    given: {
      owned: [
        deployment(
          3,
          {},
          rolling(
            1,
            3,
            [
              ["Available", "True", "MinimumReplicasAvailable"],
              ["Progressing", "False", "ProgressDeadlineExceeded"],
            ],
            4,
          ),
        ),
      ],
      status: running,
    },
    expect: {
      phase: "Degraded",
      children: { web: 3 },
      message: /3 of 3 replicas .*ProgressDeadlineExceeded: ProgressDeadlineExceeded says why/,
      conditions: { Ready: "False", Stalled: "True" },
      counts: [4, 3, 3],
    },
  },
  {
    name: "pods that a quota refuses are Degraded, though the pods of before serve",
    given: {
      owned: [deployment(3, {}, rolling(0, 3, [["ReplicaFailure", "True", "FailedCreate"]]))],
      status: running,
    },
    expect: {
      phase: "Degraded",
      children: { web: 3 },
      message: /FailedCreate says why/,
      conditions: { Ready: "False", Stalled: "True" },
    },
  },
  {
    name: "pods that can't be removed are Stopping, in the Deployment's words",
    given: {
      owned: [deployment(0, {}, rolling(2, 2, [["ReplicaFailure", "True", "FailedDelete"]], 2))],
      spec: off,
      status: stopped,
    },
    expect: {
      phase: "Stopping",
      children: { web: 0 },
      message: /2 replicas left\. FailedDelete: FailedDelete says why/,
      conditions: { Ready: "False", Stalled: "True" },
    },
  },
  {
    name: "a failure of an old generation says nothing of the new one",
    given: {
      owned: [
        deployment(
          3,
          { generation: 2 },
          rolling(3, 0, [["Progressing", "False", "ProgressDeadlineExceeded"]]),
        ),
      ],
      status: running,
    },
    expect: {
      phase: "Starting",
      children: { web: 3 },
      message: /is being set to 3 replicas\.$/,
      conditions: { Ready: "False", Reconciling: "True" },
    },
  },
  {
    name: "a paused Deployment whose pods are of the newest template is Running",
    given: {
      owned: [deployment(3, {}, rolling(3, 3, [["Progressing", "Unknown", "DeploymentPaused"]]))],
      status: running,
    },
    expect: { phase: "Running", children: { web: 3 }, conditions: { Ready: "True" } },
  },
  {
    name: "a paused Deployment with a new template is Starting, and the status says that it is paused",
    given: {
      owned: [
        ((one) => ({ ...one, spec: { ...one.spec, paused: true } }))(
          deployment(3, {}, rolling(0, 3, [["Progressing", "Unknown", "DeploymentPaused"]])),
        ),
      ],
      status: running,
    },
    expect: {
      phase: "Starting",
      children: { web: 3 },
      message: /0 of the newest template\. The rollout is paused/,
      conditions: { Ready: "False", Reconciling: "True" },
    },
  },
  {
    name: "a rollout that goes on is Starting, though as many as wanted are available",
    given: {
      owned: [deployment(3, {}, rolling(1, 3, [["Progressing", "True", "ReplicaSetUpdated"]], 4))],
      status: running,
    },
    expect: { phase: "Starting", children: { web: 3 }, message: /; 1 of the newest template\.$/ },
  },
  {
    name: "one pod too many that is still there is Starting",
    given: { owned: [deployment(3, {}, rolling(3, 3, [], 4))], status: running },
    expect: { phase: "Starting", children: { web: 3 }, message: /; 1 more than that still there\.$/ },
  },
  {
    name: "Available=False is not Running, whatever is counted",
    given: {
      owned: [deployment(3, {}, rolling(3, 3, [["Available", "False", "MinimumReplicasUnavailable"]]))],
      status: running,
    },
    expect: { phase: "Degraded", children: { web: 3 }, conditions: { Ready: "False", Reconciling: "True" } },
  },
];
