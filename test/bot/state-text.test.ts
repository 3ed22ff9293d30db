// SPDX-License-Identifier: Apache-2.0
// Tests the state of a Toggle in words, and whether it has settled; each row is a Toggle.
import t from "tap";
import type { ToggleSpec } from "../../hooks/toggle/schema.ts";
import { isSettled, overdueText, stateText } from "../../server/bot/state-text.ts";
import { START, toggleNamed } from "./world.ts";

const web = toggleNamed("web");

const withStatus = (status: Record<string, unknown>, spec: Partial<ToggleSpec> = {}) => ({
  ...toggleNamed("web", spec),
  status: { observedGeneration: 1, message: "The hook's words.", ...status },
});
const counts = { desiredReplicas: 3, replicas: 3, readyReplicas: 2, availableReplicas: 1 };
const stalled = {
  conditions: [
    {
      type: "Stalled",
      status: "True",
      reason: "x",
      message: "x",
      lastTransitionTime: "2026-11-22T07:00:00Z",
    },
  ],
};
const early = "2026-11-22T07:59:00+00:00";
const late = "2026-11-22T12:00:00+02:00";

const schedule = [{ timeZone: "UTC", on: ["08:00-18:00"] }];
const toOff = { time: "2026-11-22T18:00:00Z", to: "Off" };

for (const [toggle, text, settled] of [
  [withStatus({ phase: "Running", ...counts }), "web is running: 3 desired, 2 ready, 1 available.", true],
  [withStatus({ phase: "Starting", ...counts }), "web is starting: 3 desired, 2 ready, 1 available.", false],
  [
    withStatus({ phase: "Starting", desiredReplicas: 3, waitingFor: ["db", "queue"] }),
    "web is starting: 3 desired, 0 ready, 0 available. It waits for db, queue.",
    false,
  ],
  [
    withStatus({ phase: "Missing" }, { targetRef: { kind: "StatefulSet", name: "db" } }),
    "web is without a StatefulSet. The hook's words.",
    true,
  ],
  [
    withStatus({ phase: "Degraded", ...counts }, { targetRef: { kind: "StatefulSet", name: "db" } }),
    "web is degraded: 3 desired, 2 ready, 1 available. The hook's words. Look with: kubectl describe statefulset db -n demo",
    false,
  ],
  [withStatus({ phase: "Off" }), "web is off: 0 desired, 0 ready, 0 available.", true],
  [
    withStatus({ phase: "Stopping", replicas: 2 }, { enabled: false }),
    "web is stopping: 2 pods left.",
    false,
  ],
  [
    withStatus({ phase: "Running", ...counts }, { until: late }),
    "web is running: 3 desired, 2 ready, 1 available. It goes off in 2 h, at 2026-11-22 10:00 UTC.",
    true,
  ],
  [
    withStatus({ phase: "Off" }, { until: early }),
    "web is off: 0 desired, 0 ready, 0 available. Its time was over at 2026-11-22 07:59 UTC.",
    true,
  ],
  [
    withStatus({ phase: "Running", ...counts }, { until: early }),
    "web is switching off… Its time was over at 2026-11-22 07:59 UTC.",
    false,
  ],
  [withStatus({ observedGeneration: 0, phase: "Off" }), "web is switching on…", false],
  [
    withStatus({ phase: "Running", ...counts, nextChange: toOff }, { enabled: false, schedule }),
    "web is running: 3 desired, 2 ready, 1 available. It goes off in 10 h, at 2026-11-22 18:00 UTC.",
    true,
  ],
  [
    withStatus(
      { phase: "Running", ...counts, nextChange: { ...toOff, time: "2026-11-22T17:59:60Z" } },
      { schedule },
    ),
    "web is running: 3 desired, 2 ready, 1 available. It goes off in 10 h, at 2026-11-22 18:00 UTC.",
    true,
  ],
  [
    withStatus({ observedGeneration: 0, phase: "Off", nextChange: toOff }, { schedule }),
    "web is switching on…",
    false,
  ],
  [{ ...web, status: { phase: "nonsense" } }, "web is switching on…", false],
  [{ ...web, spec: { selector: web.spec.selector }, status: {} }, "web is not switched yet", false],
  [
    { ...withStatus({ phase: "Running", ...counts }), spec: { selector: web.spec.selector } },
    "web is running: 3 desired, 2 ready, 1 available.",
    true,
  ],
  [
    withStatus({ phase: "Degraded", ...counts }),
    "web is degraded: 3 desired, 2 ready, 1 available. The hook's words. Look with: kubectl describe deployment web -n demo",
    false,
  ],
  [withStatus({ phase: "Degraded", ...counts, ...stalled }), /^web is degraded/, true],
  [
    withStatus({
      phase: "Starting",
      ...counts,
      problem: "ImagePullBackOff: the image web:2\ncan't be pulled.",
    }),
    "web is starting: 3 desired, 2 ready, 1 available. ImagePullBackOff: the image web:2 can't be pulled.",
    false,
  ],
  [
    withStatus({ phase: "Degraded", ...counts, message: "1 of 3. It crashes.", problem: "It crashes." }),
    "web is degraded: 3 desired, 2 ready, 1 available. 1 of 3. It crashes. Look with: kubectl describe deployment web -n demo",
    false,
  ],
  [
    withStatus({ phase: "Missing", desiredReplicas: 3 }),
    "web is without a Deployment. The hook's words.",
    true,
  ],
  [withStatus({ phase: "Conflict" }), "web is in conflict. The hook's words.", true],
  [withStatus({ phase: "Blocked", ...stalled }), /^web is held up: .* The hook's words\.$/, true],
] as const) {
  const said = stateText(toggle, START);
  if (typeof text === "string") t.equal(said, text);
  else t.match(said, text);
  t.equal(isSettled(toggle, START), settled, said);
}

for (const [minutes, text] of [
  [0.4, "in less than a minute"],
  [19, "in 19 min"],
  [43, "in 45 min"],
  [92, "in 1.5 h"],
  [110, "in 2 h"],
  [601, "in 10 h"],
  [3000, "in 2 d"],
] as const) {
  const until = new Date(START + minutes * 60_000).toISOString();
  t.match(
    stateText(withStatus({ phase: "Running" }, { until }), START),
    ` It goes off ${text}, at 2026-11-2`,
  );
}

t.test("an overdue text has the reason once", async (t) => {
  const problem = "ImagePullBackOff: the image web:2 can't be pulled.";
  const told = { ...counts, message: `1 of 3 replicas available. ${problem}`, problem };
  for (const phase of ["Starting", "Degraded"]) {
    const text = overdueText(withStatus({ phase, ...told }), START, 12);
    t.equal(text.split(problem).length, 2, text);
    t.match(text, /kubectl describe deployment web -n demo/);
  }
});
