// SPDX-License-Identifier: Apache-2.0
// Tests that the status reports dynamic apply's annotation that copies a Secret's data, whatever else it says.
import t from "tap";
import { finalize, sync } from "./hooks.ts";
import { absent, context, found, request, secret, unavailable } from "./request.ts";
import { inSync, other, token } from "./sync-rows.ts";

t.test("the last-applied annotation is a condition of its own in every state", async (t) => {
  const annotations = { "metacontroller.k8s.io/last-applied-configuration": "{}" };
  const leaking = secret(token, { annotations });
  const stale = secret(token, { name: "before", annotations });
  const told = { type: "LastAppliedLeak", status: "True", reason: "LastAppliedLeak" };
  for (const [reason, given, reading] of [
    ["Synced", { owned: [leaking] }, found(token)],
    ["Applying", { owned: [leaking] }, found(other)],
    ["Applying", { owned: [stale] }, found(token)],
    ["HSMUnavailable", { owned: [leaking] }, unavailable],
    ["ObjectNotFound", { owned: [leaking] }, absent],
    ["Forbidden", { owned: [leaking], spec: { hsmPath: "secrets/prod/db" } }, undefined],
    ["Drifted", { owned: [leaking], spec: { autoSync: false }, status: inSync() }, undefined],
  ] as const) {
    const { response, outcome } = sync(request(given), context, reading);
    const status = response.status as { conditions: { type: string }[] };
    t.equal(outcome === "Synced" ? reason : outcome, reason);
    t.match(
      status.conditions.find(({ type }) => type === "LastAppliedLeak"),
      told,
      reason,
    );
  }
  const deleting = request({
    owned: [leaking],
    spec: { deletionPolicy: "Delete" },
    metadata: { deletionTimestamp: context.now },
    finalizing: true,
  });
  t.match(JSON.stringify(finalize(deleting, context).response.status), /"type":"LastAppliedLeak"/);
  const { status } = sync(request({ owned: [secret(token)] }), context, found(token)).response;
  t.notMatch(JSON.stringify(status), /LastAppliedLeak/);
});

t.test("the last-applied annotation is reported while the Secret stays in sync", async (t) => {
  const leaking = secret(token, {
    annotations: { "metacontroller.k8s.io/last-applied-configuration": "{}" },
  });
  const { response } = sync(request({ owned: [leaking] }), context, found(token));
  t.match(response.status, {
    syncStatus: "InSync",
    lastError: /server-side-apply/,
    conditions: [
      { type: "Ready", status: "True", reason: "Synced" },
      { type: "Stalled", status: "True", reason: "LastAppliedLeak" },
    ],
  });
  t.notMatch(JSON.stringify(response.children), /last-applied/, "and is not listed again");
});
