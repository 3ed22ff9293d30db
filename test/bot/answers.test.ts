// SPDX-License-Identifier: Apache-2.0
// Tests the texts of answers.
import t from "tap";
import { helpText, listText, noChoiceText, statusOfAllText, statusText } from "../../server/bot/answers.ts";
import { ALICE, ROOM, START, toggleNamed } from "./world.ts";

const [web, api] = [toggleNamed("web"), toggleNamed("api")];

t.equal(noChoiceText({ kind: "which", names: ["api", "db"] }), "Which one? api, db. Just write its name.");
t.equal(
  noChoiceText({ kind: "none", name: "db", names: ["api"] }),
  "There is no Toggle “db” here. You may switch here: api.",
);

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
const scheduled = byChat("the sale");
for (const [decidedBy, says] of [
  ["Schedule", " Switched by its schedule."],
  ["Command", ` Switched by ${ALICE}, because the sale.`],
] as const) {
  const status = { ...scheduled.status, decidedBy };
  t.match(statusText({ ...scheduled, status }, START), new RegExp(`\\.${says.replaceAll(".", "\\.")}$`));
}
t.equal(statusOfAllText([api, web], START).split("\n").length, 2);
t.match(
  statusOfAllText(
    Array.from({ length: 40 }, (_, index) => toggleNamed(`t${index}`)),
    START,
  ),
  /and 10 more; name one: status NAME$/,
);
t.equal(listText([api, web], "web", START), "api: running\nweb: running (default)");
t.equal(listText([], "web", START), "There is no Toggle that you may switch in this room.");
t.match(helpText(["web"]), /stop web because.*You may switch here: web\.$/s);
