// SPDX-License-Identifier: Apache-2.0
// Lists rows for the sync hook: how many replicas a Toggle gives its Deployment, and what it remembers.
import { deployment, UID } from "./request.ts";
import { note, off, past, type Row, running, soon, stopped, stranger } from "./sync-row.ts";

const notSwitched = true;

export const countingRows: readonly Row[] = [
  {
    name: "without enabled a Deployment that is at 0 on purpose stays there",
    given: { notSwitched, owned: [deployment(0)] },
    expect: { phase: "Off", children: { web: 0 }, desired: 0, message: /not been switched yet/ },
  },
  {
    name: "without enabled a Deployment keeps the count it has, whatever spec.replicas says",
    given: { notSwitched, owned: [deployment(3)], spec: { replicas: 5 } },
    expect: { phase: "Running", children: { web: 3 }, desired: 3, last: 3, message: /not been switched yet/ },
  },
  {
    name: "without enabled what others scale is left",
    given: { notSwitched, owned: [deployment(7)], status: running },
    expect: { phase: "Running", children: { web: 7 }, desired: 7, last: 7 },
  },
  {
    name: "without enabled a Deployment at 0 stays there, and the count that it had stays remembered",
    given: { notSwitched, owned: [deployment(0, note(UID))], status: { ...stopped, lastReplicas: 4 } },
    expect: { phase: "Off", children: { web: 0 }, desired: 0, last: 4 },
  },
  {
    name: "a time that has passed switches off without enabled too",
    given: { notSwitched, owned: [deployment(3)], spec: { until: past }, status: running },
    expect: { phase: "Stopping", children: { web: 0 }, desired: 0, last: 3, message: /off since/ },
  },
  {
    name: "without enabled a Deployment that is not there has no count to reach",
    given: { notSwitched },
    expect: { phase: "Missing", children: {}, desired: "none" },
  },
  {
    name: "an adopted Deployment that runs keeps the count it has, and the count is remembered",
    given: { owned: [deployment(3, stranger)] },
    expect: { phase: "Running", children: { web: 3 }, desired: 3, last: 3, counts: [3, 3, 3] },
  },
  {
    name: "an adopted Deployment at 0 of which nothing is known starts with 1",
    given: { owned: [deployment(0)] },
    expect: { phase: "Starting", children: { web: 1 }, desired: 1, last: 1 },
  },
  {
    name: "a Deployment that says no count has the API server's 1",
    given: { owned: [{ ...deployment(1), spec: {} }] },
    expect: { phase: "Running", children: { web: 1 }, desired: 1, last: 1 },
  },
  {
    name: "spec.replicas wins over the count that runs",
    given: { owned: [deployment(3)], spec: { replicas: 5 }, status: running },
    expect: { phase: "Starting", children: { web: 5 }, desired: 5, last: 5 },
  },
  {
    name: "spec.replicas wins over the remembered count",
    given: { owned: [deployment(0)], spec: { replicas: 2 }, status: stopped },
    expect: { phase: "Starting", children: { web: 2 }, desired: 2, last: 3 },
  },
  {
    name: "spec.replicas is remembered once the Deployment has it",
    given: { owned: [deployment(2, {}, 0)], spec: { replicas: 2 }, status: stopped },
    expect: { phase: "Starting", children: { web: 2 }, desired: 2, last: 2 },
  },
  {
    name: "off scales to 0 and remembers what ran",
    given: { owned: [deployment(3)], spec: off, status: running },
    expect: { phase: "Stopping", children: { web: 0 }, desired: 0, last: 3, message: /3 replicas left/ },
  },
  {
    name: "a Toggle that is made switched off remembers what ran",
    given: { owned: [deployment(3)], spec: off },
    expect: { phase: "Stopping", children: { web: 0 }, desired: 0, last: 3 },
  },
  {
    name: "off stays off and remembers on",
    given: { owned: [deployment(0)], spec: off, status: stopped },
    expect: { phase: "Off", children: { web: 0 }, desired: 0, last: 3, counts: [0, 0, 0] },
  },
  {
    name: "off at 0 of which nothing is known remembers nothing",
    given: { owned: [deployment(0)], spec: off },
    expect: { phase: "Off", children: { web: 0 }, desired: 0, last: undefined },
  },
  {
    name: "on gives back what was remembered",
    given: { owned: [deployment(0)], status: stopped },
    expect: { phase: "Starting", children: { web: 3 }, desired: 3, last: 3 },
  },
  {
    name: "on gives back what is noted on the Deployment when the status was never written",
    given: { owned: [deployment(0, { annotations: { "toggle.j5t.io/replicas-when-on": "4" } })] },
    expect: { phase: "Starting", children: { web: 4 }, desired: 4, last: 4 },
  },
  {
    name: "scaled by hand while off before the status was ever written, it goes back to the noted count",
    given: { owned: [deployment(7, note(UID))] },
    expect: { phase: "Starting", children: { web: 4 }, desired: 4, last: 4 },
  },
  {
    name: "the note of an earlier Toggle is nothing against replicas that run",
    given: { owned: [deployment(7, note("earlier"))] },
    expect: { phase: "Running", children: { web: 7 }, desired: 7, last: 7 },
  },
  {
    name: "a note that is no count is not believed",
    given: { owned: [deployment(0, { annotations: { "toggle.j5t.io/replicas-when-on": "0" } })] },
    expect: { phase: "Starting", children: { web: 1 }, desired: 1, last: 1 },
  },
  {
    name: "a count that another Deployment was remembered with is not used",
    given: { owned: [deployment(0)], status: { ...stopped, deploymentName: "other" } },
    expect: { phase: "Starting", children: { web: 1 }, last: 1 },
  },
  {
    name: "the remembered count outlives a status whose other fields are not ours",
    given: { owned: [deployment(0)], status: { ...stopped, phase: "Sleeping", conditions: 7 } },
    expect: { phase: "Starting", children: { web: 3 }, last: 3 },
  },
  {
    name: "Fixed puts back what was scaled by hand while on",
    given: { owned: [deployment(7)], status: running },
    expect: { phase: "Starting", children: { web: 3 }, desired: 3, last: 3 },
  },
  {
    name: "scaled to 0 by hand while on, it goes back to what it had",
    given: { owned: [deployment(0)], status: running },
    expect: { phase: "Starting", children: { web: 3 }, desired: 3, last: 3 },
  },
  {
    name: "scaled up by hand while off, it goes back to 0 and the count stays",
    given: { owned: [deployment(7)], spec: off, status: stopped },
    expect: { phase: "Stopping", children: { web: 0 }, desired: 0, last: 3 },
  },
  {
    name: "Floor leaves an autoscaler's count above spec.replicas, and remembers it",
    given: {
      owned: [deployment(7)],
      spec: { replicas: 2, replicaPolicy: "Floor" },
      status: { ...running, desiredReplicas: 3 },
    },
    expect: { phase: "Running", children: { web: 7 }, desired: 7, last: 7 },
  },
  {
    name: "Floor leaves an autoscaler's count below the remembered one",
    given: { owned: [deployment(2)], spec: { replicaPolicy: "Floor" }, status: running },
    expect: { phase: "Running", children: { web: 2 }, desired: 2, last: 2 },
  },
  {
    name: "Floor raises a count below spec.replicas",
    given: { owned: [deployment(1)], spec: { replicas: 2, replicaPolicy: "Floor" }, status: running },
    expect: { phase: "Starting", children: { web: 2 }, desired: 2, last: 2 },
  },
  {
    name: "Floor switched off remembers the autoscaler's count, though the status has not seen it",
    given: { owned: [deployment(8)], spec: { ...off, replicaPolicy: "Floor" }, status: running },
    expect: { phase: "Stopping", children: { web: 0 }, last: 8 },
  },
  {
    name: "Floor that is off holds 0 against a late autoscaler, and the count stays",
    given: { owned: [deployment(8, note(UID))], spec: { ...off, replicaPolicy: "Floor" }, status: stopped },
    expect: { phase: "Stopping", children: { web: 0 }, last: 4 },
  },
  {
    name: "Floor switched on gives back what was remembered",
    given: { owned: [deployment(0)], spec: { replicaPolicy: "Floor" }, status: stopped },
    expect: { phase: "Starting", children: { web: 3 }, last: 3 },
  },
  {
    name: "until in the past is off with the spec unchanged",
    given: { owned: [deployment(3)], spec: { enabled: true, until: past }, status: running },
    expect: { phase: "Stopping", children: { web: 0 }, desired: 0, last: 3, message: /spec.until/ },
  },
  {
    name: "until in the past and no replicas left is Off, and says since when",
    given: { owned: [deployment(0)], spec: { until: past }, status: stopped },
    expect: { phase: "Off", children: { web: 0 }, last: 3, message: /off since 2026-11-22T10:00:00Z/ },
  },
  {
    name: "until in the future is on, and looked at again when it has come",
    given: { owned: [deployment(3)], spec: { until: soon }, status: running },
    expect: { phase: "Running", children: { web: 3 }, desired: 3, resync: 3600 },
  },
  {
    name: "until in the far future does not overflow Metacontroller's nanoseconds",
    given: { owned: [deployment(3)], spec: { until: "9999-12-31T23:59:59Z" }, status: running },
    expect: { phase: "Running", children: { web: 3 }, resync: 86_400 },
  },
  {
    name: "until of a Toggle that is off wakes nobody",
    given: { owned: [deployment(0)], spec: { ...off, until: soon }, status: stopped },
    expect: { phase: "Off", children: { web: 0 } },
  },
  {
    name: "pods that are still there keep it Stopping",
    given: { owned: [deployment(0, {}, 2)], spec: off, status: stopped },
    expect: { phase: "Stopping", children: { web: 0 }, message: /2 replicas left/, counts: [2, 2, 2] },
  },
  {
    name: "pods that are terminating keep it Stopping",
    given: {
      owned: [deployment(0, {}, { observedGeneration: 1, terminatingReplicas: 1 })],
      spec: off,
      status: stopped,
    },
    expect: { phase: "Stopping", children: { web: 0 }, message: /1 replica left/ },
  },
];
