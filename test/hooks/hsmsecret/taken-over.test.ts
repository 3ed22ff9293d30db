// SPDX-License-Identifier: Apache-2.0
// A Secret that is there and that no controller owns: what is told while it is to be ours and Metacontroller has not taken it
// over, which dynamic apply never does by itself.
import t from "tap";
import { type HookContext, sync } from "../../../hooks/hsmsecret/index.ts";
import { context, foreign, found, request, secret, UID } from "./request.ts";
import { token } from "./sync-rows.ts";

const at = (seconds: number): HookContext => ({
  ...context,
  now: new Date(Date.UTC(2026, 10, 22, 10) + seconds * 1000).toISOString(),
});
const label = `kubectl label secret -n demo app controller-uid=${UID} --overwrite`;

t.test("a Secret that adopt asks for and nobody takes over is told, with the command", async (t) => {
  const orphan = foreign({ theirs: "1" }, { labels: { "controller-uid": "of-the-one-before" } });
  const look = (seconds: number, status?: Record<string, unknown>, related = orphan) =>
    sync(request({ spec: { adopt: true }, related, ...(status && { status }) }), at(seconds), found(token));
  const first = look(0);
  t.match(first, { outcome: "Applying", response: { status: { lastError: undefined } } });
  t.match(
    first.events,
    [{ type: "Normal" }],
    "server-side apply takes it over at once: nothing is wrong yet",
  );
  t.ok((first.response.resyncAfterSeconds ?? Infinity) <= 2, "and is looked at again soon");
  const told = look(2, first.response.status);
  const { lastError } = told.response.status as { lastError: string };
  t.ok(lastError.includes(label), lastError);
  t.match(told.response.status, {
    syncStatus: "Pending",
    conditions: [{ type: "Ready", status: "False", reason: "Applying", message: lastError }],
  });
  t.match(told.events, [{ type: "Warning", reason: "Applying", message: lastError }]);
  t.match(told.response.children, [{ metadata: { name: "app" } }], "and is asked for on");
  const later = look(600, told.response.status);
  t.same([later.response.status, later.events], [told.response.status, []], "once");
  const labelled = foreign({ theirs: "1" }, { labels: { "controller-uid": UID } });
  const waiting = look(3, told.response.status, labelled).response.status;
  t.notMatch(JSON.stringify(waiting), /kubectl label/, "with the label there is nothing to be done");
  const owned = request({
    spec: { adopt: true },
    owned: [secret(token)],
    status: told.response.status ?? {},
  });
  t.match(sync(owned, at(4), found(token)), {
    outcome: "Synced",
    response: { status: { lastError: undefined } },
  });
});
