// SPDX-License-Identifier: Apache-2.0
// Tests the HSMSecret hooks over HTTP with recorded requests: answers, outages, policy, log lines, events, metrics and
// malformed bodies.
import { randomBytes } from "node:crypto";
import t from "tap";
import { answerJson, holding, missing, startAgent } from "../doubles/agent.ts";
import { type RecordedBody, recordedBody } from "./recorded-request.ts";
import { startWebhook } from "./webhook-under-test.ts";

const secretValue = randomBytes(15).toString("hex");
const encoded = Buffer.from(secretValue).toString("base64");
const first = recordedBody("hsmsecret-sync-no-child");
const { namespace, name, uid } = first.parent.metadata;
const path = first.parent.spec.hsmPath ?? `secrets/${namespace}/${name}`;
const allowed = [{ namespace, prefix: path }];
const policy = { get: () => allowed, fault: () => undefined };
const held = holding(path, { password: secretValue });

t.test("customize asks for the Secret of the name", async (t) => {
  const { post } = startWebhook(t, []);
  const answer = await post("customize", recordedBody("hsmsecret-customize"));
  t.equal(answer.statusCode, 200);
  t.same(Object.keys(answer.json()), ["relatedResources"]);
  t.match(answer.json().relatedResources, [{ apiVersion: "v1", resource: "secrets", namespace }]);
});

t.test("sync makes the Secret, and finds nothing to do once it is there", async (t) => {
  const agent = await startAgent(t, held);
  const { post, log } = startWebhook(t, [agent], { policy });
  const made = await post("sync", first, { "x-request-id": "shared-id" });
  t.equal(made.statusCode, 200);
  t.same(Object.keys(made.json()).sort(), ["children", "resyncAfterSeconds", "status"]);
  const [child] = made.json().children;
  t.match(child, { apiVersion: "v1", kind: "Secret", metadata: { namespace }, data: { password: encoded } });
  t.equal(agent.requests[0]?.headers["x-request-id"], "shared-id", "the agent shares the id");
  const line = log.lines.find(({ msg }) => msg === "hook");
  t.match(line, {
    level: "info",
    hook: "hsmsecret/sync",
    object: `${namespace}/${name}`,
    agent: "a",
    requestId: "shared-id",
    durationMs: Number,
  });
});

t.test(
  "what the second agent holds of an earlier version is not applied while the first is down",
  async (t) => {
    const agents = [await startAgent(t, held), await startAgent(t, held)] as const;
    const { post, log } = startWebhook(t, agents, { policy });
    const body = structuredClone(first);
    agents[0].answer = holding(path, { password: secretValue }, { version: 6 });
    body.parent.status = (await post("sync", body)).json().status;
    await agents[0].stop();
    agents[1].answer = holding(path, { password: randomBytes(9).toString("hex") }, { version: 5 });
    const { status, children } = (await post("sync", body)).json();
    t.match(status, { lastError: /AGENT_BEHIND.*agent b holds version 5/ });
    t.same(children, []);
    t.match(
      log.lines.findLast(({ msg }) => msg === "hook"),
      { code: "AGENT_BEHIND" },
    );
  },
);

t.test("the same request gets the same bytes", async (t) => {
  const agent = await startAgent(t, held);
  const { post } = startWebhook(t, [agent], { policy });
  for (const body of [first, recordedBody("hsmsecret-sync-owned-child-ssa")]) {
    t.equal((await post("sync", body)).body, (await post("sync", body)).body);
  }
});

t.test("a settled HSMSecret is asked about by checksum, answers the same later, and is quiet", async (t) => {
  const agent = await startAgent(t, held);
  let now = new Date("2026-01-02T03:04:05Z");
  const { post, events, log } = startWebhook(t, [agent], { policy, clock: () => now });
  // What Metacontroller would observe after each answer: the status, and the Secret with our owner reference.
  let body = structuredClone(first);
  const settle = async () => {
    const { status, children } = (await post("sync", body)).json();
    const owner = { apiVersion: body.parent.apiVersion, kind: "HSMSecret", name, uid, controller: true };
    const [child] = children;
    child.metadata = {
      ...child.metadata,
      uid: "s",
      ownerReferences: [owner],
      labels: { ...child.metadata.labels, "controller-uid": uid },
    };
    body = structuredClone(body);
    body.parent.status = status;
    body.children = { "Secret.v1": { [`${namespace}/${child.metadata.name}`]: child } };
    body.related = structuredClone(body.children);
    return status;
  };
  await settle();
  const settled = await settle();
  t.match(settled, { syncStatus: "InSync", device: "a" });
  now = new Date("2026-01-02T04:00:00Z");
  t.match(events, [{ uid, type: "Normal", reason: "Synced" }], "one event of a Secret that was made");
  log.lines.length = 0;
  t.same(await settle(), settled, "nothing in the status moves with the clock");
  t.ok(agent.requests.at(-1)?.headers["if-none-match"], "the agent is asked whether it changed");
  t.equal(events.length, 1, "no other event");
  t.match(
    log.lines.find(({ msg }) => msg === "hook"),
    { level: "debug", outcome: "Synced" },
  );
  await agent.stop();
  const kept = (await post("sync", body)).json();
  t.match(
    kept,
    { status: { syncStatus: "Error" }, children: [{ metadata: { namespace } }] },
    "an outage keeps the Secret",
  );
  t.match(kept.status.lastError, /^AGENT_UNREACHABLE: agent a refused the connection\./);
});

t.test("a force-sync asks for a fresh reading", async (t) => {
  const agent = await startAgent(t, held);
  const { post } = startWebhook(t, [agent], { policy });
  const body = structuredClone(first);
  body.parent.metadata.annotations = { "hsm.j5t.io/force-sync": "1" };
  await post("sync", body);
  t.equal(agent.requests[0]?.headers["cache-control"], "no-cache");
});

t.test("a forbidden path is not even asked for", async (t) => {
  const agent = await startAgent(t, held);
  const { post } = startWebhook(t, [agent]);
  const body = structuredClone(first);
  body.parent.spec.hsmPath = "secrets/another/db";
  const answer = await post("sync", body);
  t.match(answer.json().status.conditions, [{ type: "Ready", reason: "Forbidden" }]);
  t.equal(agent.requests.length, 0);
});

t.test("finalize lets the HSMSecret go", async (t) => {
  const { post } = startWebhook(t, []);
  const answer = await post("finalize", recordedBody("hsmsecret-finalize-owned-child"));
  t.match(answer.json(), { finalized: true, children: [] });
});

t.test("no value reaches the log, the metrics or an event, whatever happens", async (t) => {
  const agent = await startAgent(t, held);
  const { app, post, log, events } = startWebhook(t, [agent], { policy });
  const body = structuredClone(first);
  await post("sync", body);
  agent.answer = answerJson(200, {
    path,
    data: { password: encoded },
    checksum: `sha256:${"0".repeat(64)}`,
    version: 1,
    device: "x",
  });
  await post("sync", body);
  agent.answer = answerJson(503, { code: "TOKEN_UNAVAILABLE", message: secretValue });
  t.notMatch((await post("sync", body)).body, secretValue);
  agent.answer = missing;
  await post("sync", body);
  body.children = { "Secret.v1": { x: { data: { password: encoded } } } };
  t.notOk((await post("sync", body)).body.includes(encoded), "nor an error answer");
  const metrics = (await app.inject("/metrics")).body;
  for (const place of [log.text(), metrics, JSON.stringify(events)]) {
    t.notOk(place.includes(secretValue) || place.includes(encoded));
  }
  t.match(metrics, 'keyswitch_agent_client_requests_total{agent="a",outcome="AGENT_REFUSED"} 1');
  t.match(metrics, 'keyswitch_agent_client_requests_total{agent="a",outcome="found"} 1');
  t.match(metrics, 'keyswitch_errors_total{code="TOKEN_UNAVAILABLE"} 1');
  t.match(metrics, 'keyswitch_secrets_synced_total{outcome="HSMUnavailable"} 2');
  t.match(metrics, 'keyswitch_hook_requests_total{hook="hsmsecret/sync",outcome="HSMUnavailable"} 2');
  t.match(metrics, 'keyswitch_hook_seconds_count{hook="hsmsecret/sync"} 4');
});

t.test("readiness reports agents and does not depend on them", async (t) => {
  const agent = await startAgent(t, held);
  let fault: string | undefined;
  const { app, post } = startWebhook(t, [agent], { policy: { get: () => allowed, fault: () => fault } });
  await agent.stop();
  await post("sync", first);
  fault = "policy.yaml is neither JSON nor YAML; the former content stays in use";
  const answer = await app.inject("/readyz");
  t.equal(answer.statusCode, 200);
  t.same(answer.json().checks, [
    { name: "path policy", ok: false, required: false, message: fault },
    { name: "agent a", ok: false, required: false, message: "agent a refused the connection." },
  ]);
});

t.test("a body that is no hook request names its fields", async (t) => {
  const agent = await startAgent(t, held);
  const { post } = startWebhook(t, [agent], { policy });
  /** The recorded body with some fields replaced; undefined takes one out. */
  const body = (patch: RecordedBody) => ({ ...structuredClone(first), ...patch });
  const parent = (patch: RecordedBody) => body({ parent: { ...first.parent, ...patch } });
  const spec = (patch: RecordedBody) => parent({ spec: { ...first.parent.spec, ...patch } });
  const rows: [sentence: string, body: RecordedBody, fields: string[]][] = [
    ["an empty object", {}, ["controller", "parent", "children", "related", "finalizing"]],
    ["a list", [], [""]],
    ["no parent", body({ parent: undefined }), ["parent"]],
    ["another kind", parent({ kind: "canary" }), ["parent.kind"]],
    ["no namespace", parent({ metadata: { name: "a", uid: "b" } }), ["parent.metadata.namespace"]],
    ["an interval that is text", spec({ syncInterval: "canary" }), ["parent.spec.syncInterval"]],
    ["an interval that is too short", spec({ syncInterval: 1 }), ["parent.spec.syncInterval"]],
    ["a path with blanks", spec({ hsmPath: "canary canary" }), ["parent.spec.hsmPath"]],
    ["children that are a list", body({ children: [] }), ["children"]],
  ];
  for (const hook of ["sync", "finalize"]) {
    for (const [sentence, payload, fields] of rows) {
      t.test(`${hook}: ${sentence}`, async (t) => {
        const answer = await post(hook, payload);
        t.equal(answer.statusCode, 400);
        const found = answer.json().details.map(({ field }: { field: string }) => field);
        for (const field of fields) {
          t.ok(found.includes(["body", field].filter(Boolean).join(".")), `${field} is among ${found}`);
        }
        t.notMatch(answer.body, /canary/);
      });
    }
  }
  t.equal(agent.requests.length, 0, "nothing was read");
});
