// SPDX-License-Identifier: Apache-2.0
// Lists rows for the sync hook: which phase a Toggle is in, and whose Deployments it leaves alone.
import { deployment, ownerReference, template } from "./request.ts";
import { failed, off, past, type Row, running, second, stopped, stranger } from "./sync-row.ts";

export const phaseRows: readonly Row[] = [
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
    name: "a template whose label Kubernetes refuses makes nothing, and the status names it",
    given: { spec: { template: { ...template, metadata: { labels: { "a..b/c": "d" } } } } },
    expect: {
      phase: "Missing",
      children: {},
      message: /none is made\. The template is not used: spec.template.metadata.labels: "a\.\.b\/c"/,
      conditions: { Ready: "False", Stalled: "True", TemplateUnused: "True" },
    },
  },
  {
    name: "annotations that are too long together are told with their length",
    given: {
      spec: {
        template: {
          ...template,
          metadata: {
            annotations: Object.fromEntries([..."abcdefghijklmnop"].map((key) => [key, "x".repeat(16_384)])),
          },
        },
      },
    },
    expect: { phase: "Missing", children: {}, message: /annotations: they have 262160 bytes together/ },
  },
  {
    name: "a selector that no label can have makes nothing",
    given: { spec: { template, selector: { matchLabels: { "a b": "c" } } } },
    expect: { phase: "Missing", children: {}, message: /spec.selector.matchLabels: "a b"/ },
  },
  {
    name: "a Deployment that the Toggle made is switched with the template that it has, where the new one is refused",
    given: {
      spec: { ...off, template: { ...template, metadata: { labels: { "a b": "c" } } } },
      owned: [deployment(3, { annotations: { "toggle.j5t.io/made-by": "u" } })],
      status: running,
    },
    expect: {
      phase: "Stopping",
      children: { web: 0 },
      message: /template is not used/,
      conditions: { TemplateUnused: "True" },
    },
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
