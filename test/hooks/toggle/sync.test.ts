// SPDX-License-Identifier: Apache-2.0
// The cases of the Toggle's sync hook: each row is a situation and what the hook must answer.
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import type { Deployment } from "../../../hooks/toggle/deployment.ts";
import { sync } from "../../../hooks/toggle/index.ts";
import { ToggleStatus } from "../../../hooks/toggle/schema.ts";
import { previousStatus } from "../../../hooks/toggle/status.ts";
import {
  context,
  deployment,
  later,
  ownerReference,
  type RequestParts,
  request,
  template,
  UID,
} from "./request.ts";

const off = { enabled: false } as const;
const running = { phase: "Running", desiredReplicas: 3, lastReplicas: 3, deploymentName: "web" };
const stopped = { phase: "Off", desiredReplicas: 0, lastReplicas: 3, deploymentName: "web" };
const stranger = { ownerReferences: [] };
const note = (toggle: string) => ({
  annotations: { "toggle.j5t.io/replicas-when-on": "4", "toggle.j5t.io/switched-off-by": toggle },
});
const second = deployment(2, { name: "second" });
const past = "2026-11-22T10:00:00Z";
const soon = "2026-11-22T12:00:00+01:00";
const failed = (reason: string): Deployment["status"] => ({
  observedGeneration: 1,
  replicas: 3,
  updatedReplicas: 3,
  conditions: [{ type: "Progressing", status: "False", reason, message: `${reason} says why` }],
});

interface Row {
  readonly name: string;
  readonly given: RequestParts;
  readonly expect: {
    readonly phase: string;
    /** Name and replicas of each child of the answer. */
    readonly children: Record<string, number>;
    readonly desired?: number;
    readonly last?: number | undefined;
    readonly message?: RegExp;
    readonly conditions?: Record<string, string>;
    readonly resync?: number;
    /** replicas, ready, available; "none" where the status does not count. */
    readonly counts?: [number, number, number] | "none";
  };
}

const rows: Row[] = [
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
  {
    name: "a Deployment whose controller has not seen the 0 yet is Stopping",
    given: { owned: [deployment(0, { generation: 2 })], spec: off, status: stopped },
    expect: { phase: "Stopping", children: { web: 0 } },
  },
  {
    name: "a Deployment whose controller has not seen the count yet is Starting",
    given: { owned: [deployment(3, { generation: 2 })], status: stopped },
    expect: { phase: "Starting", children: { web: 3 } },
  },
  {
    name: "a Deployment without a status is Starting",
    given: { owned: [deployment(3, {}, null)], status: stopped },
    expect: { phase: "Starting", children: { web: 3 }, counts: [0, 0, 0] },
  },
  {
    name: "fewer available than wanted is Starting after off",
    given: { owned: [deployment(3, {}, 1)], status: { ...stopped, phase: "Starting", desiredReplicas: 3 } },
    expect: { phase: "Starting", children: { web: 3 }, message: /1 of 3 replicas/, counts: [3, 1, 1] },
  },
  {
    name: "fewer available than before is Degraded",
    given: { owned: [deployment(3, {}, 1)], status: running },
    expect: { phase: "Degraded", children: { web: 3 }, conditions: { Ready: "False", Reconciling: "True" } },
  },
  {
    name: "it stays Degraded until all are back",
    given: { owned: [deployment(3, {}, 2)], status: { ...running, phase: "Degraded" } },
    expect: { phase: "Degraded", children: { web: 3 } },
  },
  {
    name: "fewer available after an autoscaler asked for more is Starting",
    given: { owned: [deployment(5, {}, 3)], spec: { replicaPolicy: "Floor" }, status: running },
    expect: { phase: "Starting", children: { web: 5 } },
  },
  {
    name: "fewer available while pods of a new template come is Starting",
    given: {
      owned: [
        deployment(3, {}, { observedGeneration: 1, replicas: 4, updatedReplicas: 2, availableReplicas: 2 }),
      ],
      status: running,
    },
    expect: { phase: "Starting", children: { web: 3 } },
  },
  {
    name: "a rollout that missed its deadline is Degraded, in the Deployment's words",
    given: { owned: [deployment(3, {}, failed("ProgressDeadlineExceeded"))], status: stopped },
    expect: {
      phase: "Degraded",
      children: { web: 3 },
      message: /ProgressDeadlineExceeded says why/,
      conditions: { Ready: "False", Stalled: "True" },
    },
  },
  {
    name: "no Deployment of the name is Missing",
    given: { status: stopped },
    expect: {
      phase: "Missing",
      children: {},
      desired: 3,
      last: 3,
      message: /There is no Deployment web\. Make it with the labels app=web/,
      conditions: { Ready: "False", Stalled: "True" },
      counts: [0, 0, 0],
    },
  },
  {
    name: "no Deployment of the name, and no customize hook, is Missing",
    given: { related: "no-hook", spec: off },
    expect: { phase: "Missing", children: {}, desired: 0 },
  },
  {
    name: "Deployments of other names alone are Missing and are listed as they are",
    given: { owned: [second] },
    expect: {
      phase: "Missing",
      children: { second: 2 },
      message: /Set spec.deploymentName.*also matches second/,
      conditions: { Ready: "False", Stalled: "True", SelectorTooWide: "True" },
    },
  },
  {
    name: "a Deployment of another controller is a Conflict and is not touched",
    given: { related: [deployment(3, { ownerReferences: [ownerReference("u", "boss", "Operator")] })] },
    expect: {
      phase: "Conflict",
      children: {},
      message: /belongs to Operator boss/,
      conditions: { Ready: "False", Stalled: "True" },
      counts: "none",
    },
  },
  {
    name: "a Deployment that another Toggle has is a Conflict, and the count stays remembered",
    given: {
      related: [deployment(7, { ownerReferences: [ownerReference("u", "first")] })],
      status: stopped,
      spec: off,
    },
    expect: { phase: "Conflict", children: {}, last: 3, message: /belongs to Toggle first/ },
  },
  {
    name: "a Deployment of the name outside the selector is a Conflict and is not touched",
    given: { related: [deployment(3, { ...stranger, labels: { app: "other" } })] },
    expect: { phase: "Conflict", children: {}, message: /without the labels of spec.selector \(app=web\)/ },
  },
  {
    name: "a Deployment that Metacontroller is letting go of is not touched",
    given: { related: [deployment(3, { labels: {} })], status: running },
    expect: { phase: "Conflict", children: {}, last: 3 },
  },
  {
    name: "a Conflict keeps the other Deployments listed as they are",
    given: { owned: [second], related: [deployment(3, { ...stranger, labels: {} })], spec: off },
    expect: { phase: "Conflict", children: { second: 2 }, conditions: { SelectorTooWide: "True" } },
  },
  {
    name: "a child that another controller owns is listed as it is",
    given: { owned: [deployment(3, { ownerReferences: [ownerReference("u", "first")] })], spec: off },
    expect: { phase: "Conflict", children: { web: 3 } },
  },
  {
    name: "a Deployment that matches and is not adopted yet is not touched",
    given: { related: [deployment(3, stranger)], spec: off },
    expect: {
      phase: "Stopping",
      children: {},
      message: /being adopted/,
      resync: 5,
      conditions: { Reconciling: "True" },
    },
  },
  {
    name: "an owned Deployment that is not among the children yet is scaled",
    given: { related: [deployment(3)], spec: off },
    expect: { phase: "Stopping", children: { web: 0 }, last: 3 },
  },
  {
    name: "a Deployment that is being deleted is Missing, and listed as it is",
    given: { owned: [deployment(3, { deletionTimestamp: past })], spec: off, status: running },
    expect: { phase: "Missing", children: { web: 3 }, last: 3, message: /being deleted/, counts: [3, 3, 3] },
  },
  {
    name: "another Deployment that the selector matches keeps its replicas while on",
    given: { owned: [deployment(3), second], status: running },
    expect: {
      phase: "Running",
      children: { web: 3, second: 2 },
      message: /also matches second.*Narrow spec.selector/,
      conditions: { Ready: "True", SelectorTooWide: "True" },
    },
  },
  {
    name: "another Deployment that the selector matches keeps its replicas while off",
    given: { owned: [deployment(0), second], spec: off, status: stopped },
    expect: { phase: "Off", children: { web: 0, second: 2 }, conditions: { SelectorTooWide: "True" } },
  },
  {
    name: "after a new deploymentName the Deployment of before keeps what it has",
    given: {
      owned: [deployment(0, { annotations: { "toggle.j5t.io/replicas-when-on": "3" } }), second],
      spec: { deploymentName: "second" },
      status: stopped,
    },
    expect: { phase: "Running", children: { second: 2, web: 0 }, last: 2 },
  },
  {
    name: "with a template the Deployment is made where there is none",
    given: { spec: { template } },
    expect: {
      phase: "Starting",
      children: { web: 1 },
      desired: 1,
      message: /being made/,
      conditions: { Ready: "False", Reconciling: "True" },
      counts: [0, 0, 0],
    },
  },
  {
    name: "with a template a Toggle that is off makes the Deployment without replicas",
    given: { spec: { template, ...off, replicas: 4 } },
    expect: { phase: "Stopping", children: { web: 0 }, desired: 0 },
  },
  {
    name: "with a template a Deployment that was deleted comes back with the remembered count",
    given: { spec: { template }, status: running },
    expect: { phase: "Starting", children: { web: 3 }, desired: 3, last: 3 },
  },
  {
    name: "with a template a foreign Deployment of the name is a Conflict",
    given: { spec: { template }, related: [deployment(3, { ...stranger, labels: {} })] },
    expect: { phase: "Conflict", children: {} },
  },
  {
    name: "with a template and no customize hook nothing is made",
    given: { spec: { template }, related: "no-hook" },
    expect: { phase: "Conflict", children: {}, message: /customize hook/ },
  },
  {
    name: "with a template a Deployment that is being deleted is waited for",
    given: { spec: { template }, related: [deployment(3, { ...stranger, deletionTimestamp: past })] },
    expect: { phase: "Missing", children: {}, message: /being deleted/, conditions: { Reconciling: "True" } },
  },
  {
    name: "with a template an adopted Deployment is only scaled, and the status says so",
    given: { spec: { template, ...off }, owned: [deployment(3)] },
    expect: {
      phase: "Stopping",
      children: { web: 0 },
      message: /spec.template is not used/,
      conditions: { TemplateUnused: "True" },
    },
  },
];

for (const row of rows) {
  t.test(row.name, async (t) => {
    const input = request(row.given);
    const { response, outcome, events } = sync(input, context);
    const { expect } = row;
    const again = sync(structuredClone(input), context).response;
    t.equal(JSON.stringify(again), JSON.stringify(response), "same bytes again");
    t.ok(Value.Check(ToggleStatus, response.status));
    const status = previousStatus({ ...input.parent, status: response.status ?? {} });
    t.equal(status.phase, expect.phase);
    t.equal(outcome, expect.phase);
    const answered = response.children as { metadata: { name: string }; spec: { replicas: number } }[];
    t.strictSame(
      Object.fromEntries(answered.map((child) => [child.metadata.name, child.spec.replicas])),
      expect.children,
    );
    for (const child of answered) t.match(child, { metadata: { namespace: "demo", labels: { app: "web" } } });
    if (expect.desired !== undefined) t.equal(status.desiredReplicas, expect.desired);
    if ("last" in expect) t.equal(status.lastReplicas, expect.last);
    if (expect.message) t.match(status.message, expect.message);
    if (expect.counts === "none") t.equal(status.replicas, undefined);
    else if (expect.counts) {
      t.strictSame([status.replicas, status.readyReplicas, status.availableReplicas], expect.counts);
    }
    const conditions = Object.fromEntries((status.conditions ?? []).map((one) => [one.type, one.status]));
    t.match(conditions, expect.conditions ?? {});
    const good = expect.phase === "Off" || expect.phase === "Running";
    t.equal(conditions.Ready, good ? "True" : "False");
    t.equal(Number("Reconciling" in conditions) + Number("Stalled" in conditions), good ? 0 : 1);
    t.equal(response.resyncAfterSeconds, expect.resync);
    t.equal(status.observedGeneration, 1);
    if ((row.given.status as { phase?: string } | undefined)?.phase === expect.phase) return;
    t.match(events, [{ reason: expect.phase, type: String }]);
  });
}

t.test("a status that nothing happened to does not change with the time, and posts no event", async (t) => {
  for (const row of rows) {
    const status = sync(request(row.given), context).response.status ?? {};
    const once = sync(request({ ...row.given, status }), context);
    // A row may move on once with its own status, such as from Starting to Running; from there it rests.
    const settled = once.response.status ?? {};
    const spec = { ...row.given.spec };
    if (spec.until === soon) delete spec.until;
    const again = sync(request({ ...row.given, spec, status: settled }), later);
    t.strictSame(again.response.status, settled, row.name);
    t.strictSame(again.events, [], row.name);
  }
});

t.test("transition times move only when a condition's status does", async (t) => {
  const first = sync(request({ owned: [deployment(3)] }), context).response.status ?? {};
  const degraded = sync(request({ owned: [deployment(3, {}, 1)], status: first }), later).response.status;
  t.match(first.conditions, [{ type: "Ready", status: "True", lastTransitionTime: context.now }]);
  t.match(degraded?.conditions, [{ type: "Ready", status: "False", lastTransitionTime: later.now }]);
});

t.test("events say what changed: a warning where something is wrong", async (t) => {
  t.match(sync(request({ owned: [deployment(3)] }), context).events, [{ type: "Normal", reason: "Running" }]);
  t.match(sync(request({ owned: [deployment(3, {}, 1)], status: running }), context).events, [
    { type: "Warning", reason: "Degraded" },
  ]);
  const conflict = (name: string) =>
    request({ related: [deployment(1, { ownerReferences: [ownerReference("u", name)] })] });
  const status = sync(conflict("a"), context).response.status ?? {};
  const moved = conflict("b");
  t.match(sync({ ...moved, parent: { ...moved.parent, status } }, context).events, [
    { type: "Warning", reason: "Conflict", message: /Toggle b/ },
  ]);
});
