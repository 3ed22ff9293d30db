// SPDX-License-Identifier: Apache-2.0
// Lists rows for the sync hook: spec.template where the installation forbids templates.
import { deployment, template } from "./request.ts";
import { off, past, type Row, running, second, soon, stopped, stranger } from "./sync-row.ts";

const made = (replicas: number) => deployment(replicas, { annotations: { "toggle.j5t.io/made-by": "x" } });
const blocked = { phase: "Blocked", conditions: { Ready: "False", Stalled: "True" }, resync: 300 } as const;
const notAllowed = /does not allow templates \(TOGGLE_TEMPLATES of the webhook\)/;

const forbidden: readonly Omit<Row, "templates">[] = [
  {
    name: "a template that is not allowed makes nothing",
    given: { spec: { template } },
    expect: { ...blocked, children: {}, message: notAllowed, counts: [0, 0, 0] },
  },
  {
    name: "a template that is not allowed makes nothing without a customize hook either",
    given: { spec: { template }, related: "no-hook" },
    expect: { ...blocked, children: {}, message: notAllowed },
  },
  {
    name: "a Deployment that was made of a template is listed as it is while templates are not allowed",
    given: { spec: { template, ...off }, owned: [made(3)], status: running },
    expect: { ...blocked, children: { web: 3 }, desired: 0, last: 3, message: notAllowed, counts: [3, 3, 3] },
  },
  {
    name: "one at 0 is not switched on while templates are not allowed",
    given: { spec: { template }, owned: [made(0)], status: stopped },
    expect: { ...blocked, children: { web: 0 }, desired: 3, last: 3 },
  },
  {
    name: "another Deployment beside it is listed too while templates are not allowed",
    given: { spec: { template }, owned: [made(3), second] },
    expect: { ...blocked, children: { web: 3, second: 2 }, message: /also matches second/ },
  },
  {
    name: "a Deployment that was made of a template is switched once the template is taken out",
    given: { spec: off, owned: [made(3)], status: running },
    expect: { phase: "Stopping", children: { web: 0 }, last: 3 },
  },
  {
    name: "a Deployment that was there before is switched beside a template that is not allowed",
    given: { spec: { template, until: soon, ...off }, owned: [deployment(3)] },
    expect: {
      phase: "Stopping",
      children: { web: 0 },
      message: notAllowed,
      conditions: { TemplateUnused: "True" },
    },
  },
  {
    name: "a foreign Deployment stays a Conflict beside a template that is not allowed",
    given: { spec: { template }, related: [deployment(3, { ...stranger, labels: {} })] },
    expect: { phase: "Conflict", children: {} },
  },
  {
    name: "one that is being deleted stays Missing beside a template that is not allowed",
    given: { spec: { template }, related: [deployment(3, { ...stranger, deletionTimestamp: past })] },
    expect: { phase: "Missing", children: {} },
  },
];

export const templateRows: readonly Row[] = forbidden.map((row) => ({ ...row, templates: false }));
