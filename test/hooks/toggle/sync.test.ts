// SPDX-License-Identifier: Apache-2.0
// Tests the Toggle's sync hook: each row is a situation and the expected response.
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import { ToggleStatus } from "../../../hooks/toggle/schema.ts";
import { previousStatus } from "../../../hooks/toggle/status.ts";
import { countingRows } from "./counting-rows.ts";
import { sync } from "./hooks.ts";
import { phaseRows } from "./phase-rows.ts";
import { context, deployment, later, ownerReference, request, START_TIMEOUT_SECONDS } from "./request.ts";
import { rolloutRows } from "./rollout-rows.ts";
import { type Row, running, soon } from "./sync-row.ts";
import { templateRows } from "./template-rows.ts";

const rows = [...countingRows, ...phaseRows, ...rolloutRows, ...templateRows];
/** A start is looked at again when its time is over; a paused rollout takes what it takes. */
const resyncOf = ({ expect, given: { owned = [] } }: Row): number | undefined => {
  const isStart = expect.phase === "Starting" && owned.every(({ spec }) => spec.paused !== true);
  return expect.resync ?? (isStart ? START_TIMEOUT_SECONDS : undefined);
};
const during = ({ templates = true }: Row, when = context) => ({ ...when, templates });

for (const row of rows) {
  t.test(row.name, async (t) => {
    const input = request(row.given);
    const { response, outcome, events } = sync(input, during(row));
    const { expect } = row;
    const again = sync(structuredClone(input), during(row)).response;
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
    if (expect.desired === "none") t.equal(status.desiredReplicas, undefined);
    else if (expect.desired !== undefined) t.equal(status.desiredReplicas, expect.desired);
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
    t.equal(response.resyncAfterSeconds, resyncOf(row));
    t.equal(status.observedGeneration, 1);
    if ((row.given.status as { phase?: string } | undefined)?.phase === expect.phase) return;
    t.match(events, [{ reason: expect.phase, type: String }]);
  });
}

t.test("a status that nothing happened to does not change with the time, and posts no event", async (t) => {
  for (const row of rows) {
    const status = sync(request(row.given), during(row)).response.status ?? {};
    const once = sync(request({ ...row.given, status }), during(row));
    // A row may move on once with its own status, such as from Starting to Running; from there it rests.
    const settled = once.response.status ?? {};
    const spec = { ...row.given.spec };
    if (spec.until === soon) delete spec.until;
    const again = sync(request({ ...row.given, spec, status: settled }), during(row, later));
    const { nextChange, ...rest } = settled;
    t.strictSame(again.response.status, spec.until === row.given.spec?.until ? settled : rest, row.name);
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
