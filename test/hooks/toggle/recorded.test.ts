// SPDX-License-Identifier: Apache-2.0
// Tests the Toggle hooks with requests that were recorded from Metacontroller 4.17.2.
import { readFileSync } from "node:fs";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import { customize, ToggleSyncRequest } from "../../../hooks/toggle/index.ts";
import { finalize, sync } from "./hooks.ts";
import { context } from "./request.ts";

/** The body of test/fixtures/metacontroller-4.17.2/<name>.json, checked as the webhook checks it. */
const recorded = (name: string): ToggleSyncRequest => {
  const url = new URL(`../../fixtures/metacontroller-4.17.2/${name}.json`, import.meta.url);
  const { body } = JSON.parse(readFileSync(url, "utf8"));
  if (Value.Check(ToggleSyncRequest, body)) return body;
  throw new Error(`${name}: ${JSON.stringify([...Value.Errors(ToggleSyncRequest, body)][0])}`);
};

t.test("enabled while at 0: the Deployment gets the replicas of the spec", async (t) => {
  const { response } = sync(recorded("toggle-sync-enabled-while-at-zero"), context);
  t.match(response, {
    children: [{ metadata: { name: "clawdbot", namespace: "claw", labels: { app: "clawdbot" } } }],
    status: { phase: "Starting", desiredReplicas: 2, replicas: 0 },
  });
  t.same(response.children[0]?.spec, { replicas: 2 });
});

t.test("disabled at 0: it stays at 0", async (t) => {
  const { response } = sync(recorded("toggle-sync-disabled-at-zero"), context);
  t.same(response.children[0]?.spec, { replicas: 0 });
  t.match(response.status, { desiredReplicas: 0 });
});

t.test("deleted while it owns the Deployment: blocked, with the command", async (t) => {
  const { response } = finalize(recorded("toggle-finalize-owned-child"), context);
  t.match(response, { finalized: false, children: [{ metadata: { name: "clawdbot" } }] });
  t.same(response.children[0]?.spec, { replicas: 3 });
  t.match(response.status?.message, /kubectl delete toggle clawdbot -n claw --cascade=orphan$/);
});

t.test("deleted again with orphan: still listed, until the owner reference is gone", async (t) => {
  const { response } = finalize(recorded("toggle-finalize-orphan-requested"), context);
  t.match(response, { finalized: false, children: [{ spec: { replicas: 3 } }] });
  t.strictSame(finalize(recorded("toggle-finalize-after-orphan"), context).response, {
    finalized: true,
    children: [],
  });
});

t.test("customize names the recorded Deployment", async (t) => {
  const { parent, controller } = recorded("toggle-sync-enabled-while-at-zero");
  t.match(customize(parent, controller), {
    relatedResources: [{ namespace: "claw", names: ["clawdbot"] }],
  });
});
