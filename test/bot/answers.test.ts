// SPDX-License-Identifier: Apache-2.0
// Which Toggle is meant, and the words of the answers; each row is a Toggle.
import t from "tap";
import type { ToggleSpec } from "../../hooks/toggle/schema.ts";
import { helpText, listText, noChoiceText, statusOfAllText, statusText } from "../../server/bot/answers.ts";
import { isSettled, stateText } from "../../server/bot/state-text.ts";
import { startPatch } from "../../server/bot/switching.ts";
import { whichToggle } from "../../server/bot/toggle-choice.ts";
import { oneLine, shorten } from "../../server/shown-text.ts";
import { ALICE, ROOM, START, toggleNamed } from "./world.ts";

const [web, api] = [toggleNamed("web"), toggleNamed("api")];

for (const [title, name, visible, expected] of [
  ["named", "api", [api, web], { state: "one", toggle: api }],
  ["named, and not there", "db", [api, web], { state: "none", name: "db", names: ["api", "web"] }],
  ["not named: the default one", undefined, [api, web], { state: "one", toggle: web }],
  ["not named, no default: the only one", undefined, [api], { state: "one", toggle: api }],
  ["not named, several", undefined, [api, toggleNamed("db")], { state: "which", names: ["api", "db"] }],
  ["not named, none", undefined, [], { state: "none", names: [] }],
] as const) {
  t.same(whichToggle(name, visible, "web"), expected, title);
}

t.equal(noChoiceText({ state: "which", names: ["api", "db"] }), "Which one? api, db");
t.equal(
  noChoiceText({ state: "none", name: "db", names: ["api"] }),
  "There is no Toggle db here. You may switch here: api.",
);

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

for (const [toggle, text, settled] of [
  [withStatus({ phase: "Running", ...counts }), "web is running: 3 desired, 2 ready, 1 available.", true],
  [withStatus({ phase: "Starting", ...counts }), "web is starting: 3 desired, 2 ready, 1 available.", false],
  [withStatus({ phase: "Off" }), "web is off: 0 desired, 0 ready, 0 available.", true],
  [
    withStatus({ phase: "Stopping", replicas: 2 }, { enabled: false }),
    "web is stopping: 0 desired, 0 ready, 0 available, 2 left.",
    false,
  ],
  [
    withStatus({ phase: "Running", ...counts }, { until: late }),
    "web is running: 3 desired, 2 ready, 1 available. It goes off at 2026-11-22 10:00 UTC.",
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

const byChat = (reason: string) => {
  const toggle = toggleNamed("web", { requestedBy: ALICE, reason });
  const fieldsV1 = { "f:spec": { "f:enabled": {}, "f:requestedBy": {}, "f:reason": {} } };
  return {
    ...toggle,
    metadata: { ...toggle.metadata, managedFields: [{ manager: "keyswitch-bot", fieldsV1 }] },
  };
};
t.equal(
  statusText(byChat("the\nsale"), START),
  `web is running: 3 desired, 3 ready, 3 available. Switched by ${ALICE}, because the sale.`,
);
t.equal(
  statusText(byChat(`"stop" in chat room ${ROOM}`), START),
  `web is running: 3 desired, 3 ready, 3 available. Switched by ${ALICE}.`,
);
t.equal(statusOfAllText([api, web], START).split("\n").length, 2);
t.match(
  statusOfAllText(
    Array.from({ length: 40 }, (_, index) => toggleNamed(`t${index}`)),
    START,
  ),
  /and 10 more; name one: status NAME$/,
);
t.equal(listText([api, web], "web", START), "api: running\nweb: running (default)");
t.equal(listText([], "web", START), "There is none that you may switch in this room.");
t.match(helpText(["web"]), /stop web because.*You may switch here: web\.$/s);
t.match(startPatch({ verb: "start", seconds: 60 }, { sender: ALICE, room: ROOM, now: START + 1 }), {
  enabled: true,
  until: "2026-11-22T08:01:01Z",
});
t.equal(oneLine("a\u0000b\u202ec\ud800"), "a b c\ufffd");
t.equal(shorten("🦞🦞🦞🦞", 3), "🦞🦞…");
