// SPDX-License-Identifier: Apache-2.0
// Tests the Toggle hooks over HTTP with recorded requests: answers, log lines, events, metrics, and malformed bodies.
import fc from "fast-check";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { buildServer } from "../../server/http/server.ts";
import { createHookMetrics } from "../../server/webhook/hook-routes.ts";
import { addToggleRoutes } from "../../server/webhook/toggle-routes.ts";
import { recordedLog } from "../http/recorded-log.ts";
import { type RecordedBody, recordedBody } from "./recorded-request.ts";

const started = recordedBody("toggle-sync-enabled-while-at-zero");

/** The routes on a bare server. */
const startToggleHooks = (t: Test, { templates = false } = {}) => {
  const log = recordedLog();
  const registry = new Registry();
  const events: { uid: string; type: string; reason: string }[] = [];
  const app = buildServer({
    logger: log.logger,
    registry,
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    ready: () => [],
  });
  addToggleRoutes(app, {
    events: { post: (parent, event) => events.push({ uid: parent.metadata.uid, ...event }) },
    metrics: createHookMetrics(registry),
    templates,
    pods: true,
    startTimeoutSeconds: 9000,
    clock: () => new Date("2026-11-22T10:00:00.678Z"),
  });
  t.teardown(() => app.close());
  const post = (hook: string, payload: RecordedBody) =>
    app.inject({
      method: "POST",
      url: `/hooks/toggle/${hook}`,
      payload,
      headers: { "content-type": "application/json" },
    });
  return { app, log, events, post };
};

t.test(
  "customize asks for its Deployment, those that depend on it, and the pods with its labels",
  async (t) => {
    const { post } = startToggleHooks(t);
    const answer = await post("customize", { controller: started.controller, parent: started.parent });
    t.equal(answer.statusCode, 200);
    t.strictSame(answer.json(), {
      relatedResources: [
        { apiVersion: "apps/v1", resource: "deployments", namespace: "claw", names: ["clawdbot"] },
        {
          apiVersion: "apps/v1",
          resource: "deployments",
          namespace: "claw",
          labelSelector: { matchLabels: { "depends-on.toggle.j5t.io/clawdbot": "true" } },
        },
        {
          apiVersion: "v1",
          resource: "pods",
          namespace: "claw",
          labelSelector: { matchLabels: { app: "clawdbot" } },
        },
      ],
    });
  },
);

t.test(
  "customize asks for StatefulSets as well where the CompositeController in the request has them",
  async (t) => {
    const { post } = startToggleHooks(t);
    const childResources = [{ resource: "deployments" }, { resource: "statefulsets" }];
    const controller = { ...started.controller, spec: { childResources } };
    const { relatedResources } = (await post("customize", { controller, parent: started.parent })).json();
    t.match(relatedResources, [{}, { resource: "deployments" }, { resource: "statefulsets" }]);
  },
);

t.test("sync answers exactly what the contract has, logs, counts and posts the change", async (t) => {
  const { app, post, log, events } = startToggleHooks(t);
  const answer = await post("sync", started);
  t.equal(answer.statusCode, 200);
  t.same(Object.keys(answer.json()).sort(), ["children", "resyncAfterSeconds", "status"]);
  t.equal(answer.json().resyncAfterSeconds, 9000);
  t.match(answer.json().children, [{ metadata: { name: "clawdbot" }, spec: { replicas: 2 } }]);
  t.match(answer.json().status.conditions, [{ lastTransitionTime: "2026-11-22T10:00:00Z" }]);
  t.match(events, [{ uid: started.parent.metadata.uid, type: "Normal", reason: "Starting" }]);
  t.match(
    log.lines.find(({ msg }) => msg === "hook"),
    { level: "info", hook: "toggle/sync", object: "claw/clawdbot", outcome: "Starting", durationMs: Number },
  );
  t.match(
    (await app.inject("/metrics")).body,
    'keyswitch_hook_requests_total{hook="toggle/sync",outcome="Starting"} 1',
  );
});

t.test("the answer carries resyncAfterSeconds where spec.until is to come", async (t) => {
  const { post } = startToggleHooks(t);
  const body = structuredClone(started);
  body.parent.spec.until = "2026-11-22T12:00:00Z";
  t.equal((await post("sync", body)).json().resyncAfterSeconds, 7200);
});

t.test("a template makes pods where the installation allows it, and only there", async (t) => {
  const body = structuredClone(started);
  body.parent.spec.template = { spec: { containers: [{ name: "x" }] } };
  const without = { ...body, children: {}, related: { "Deployment.apps/v1": {} } };
  const answer = async (templates?: boolean) =>
    (await startToggleHooks(t, { templates }).post("sync", without)).json();
  t.match(await answer(true), { children: [{ spec: { template: {} } }], status: { phase: "Starting" } });
  t.match(await answer(), { children: [], status: { phase: "Blocked" } });
});

t.test("finalize blocks, and ends once the garbage collector has let go", async (t) => {
  const { post, events } = startToggleHooks(t);
  const blocked = (await post("finalize", recordedBody("toggle-finalize-owned-child"))).json();
  t.match(blocked, { finalized: false, status: { phase: "Blocked" }, children: [{ spec: { replicas: 3 } }] });
  t.match(events, [{ type: "Warning", reason: "Blocked" }]);
  const ended = (await post("finalize", recordedBody("toggle-finalize-after-orphan"))).json();
  t.strictSame(ended, { finalized: true, children: [] });
});

t.test("a body that is no hook request names its fields", async (t) => {
  const { post } = startToggleHooks(t);
  const spec = (patch: RecordedBody) => {
    const body = structuredClone(started);
    Object.assign(body.parent.spec, patch);
    return body;
  };
  const secrets = { ...started, children: { ...started.children, "Secret.v1": {} } };
  const rows: [sentence: string, body: RecordedBody, field: string][] = [
    ["no selector", spec({ selector: undefined }), "body.parent.spec.selector"],
    ["an empty selector", spec({ selector: { matchLabels: {} } }), "body.parent.spec.selector.matchLabels"],
    ["no replicas", spec({ replicas: 0 }), "body.parent.spec.replicas"],
    ["a time without a zone", spec({ until: "2026-11-22T10:00:00" }), "body.parent.spec.until"],
    ["an unknown policy", spec({ replicaPolicy: "Ceiling" }), "body.parent.spec.replicaPolicy"],
    ["a template without containers", spec({ template: { spec: {} } }), "body.parent.spec.template.spec"],
    ["children that the hook does not know", secrets, "body.children"],
  ];
  for (const [sentence, body, field] of rows) {
    const answer = await post("sync", body);
    t.equal(answer.statusCode, 400, sentence);
    const fields = answer.json().details.map((detail: { field: string }) => detail.field);
    t.ok(
      fields.some((found: string) => found.startsWith(field)),
      `${field} is among ${fields}`,
    );
  }
});

const bodies = ["toggle-sync-enabled-while-at-zero", "toggle-sync-disabled-at-zero"]
  .concat("toggle-finalize-owned-child", "toggle-finalize-orphan-requested", "toggle-finalize-after-orphan")
  .map(recordedBody);

/** Every place of a JSON value, as the keys that lead there. */
const placesOf = (value: unknown, here: readonly string[] = []): (readonly string[])[] =>
  typeof value === "object" && value !== null
    ? [here, ...Object.entries(value).flatMap(([key, inner]) => placesOf(inner, [...here, key]))]
    : [here];

/** `body` with one place replaced or taken out. */
const damaged = (body: RecordedBody): fc.Arbitrary<string> =>
  fc
    .record({
      place: fc.constantFrom(...placesOf(body).slice(1)),
      value: fc.oneof(fc.constantFrom<unknown>(undefined, null, "", -1, 1e308, [], {}), fc.jsonValue()),
    })
    .map(({ place, value }) => {
      const copy = structuredClone(body);
      let parent = copy;
      for (const step of place.slice(0, -1)) parent = parent[step];
      parent[place.at(-1) as string] = value;
      return JSON.stringify(copy);
    });

for (const hook of ["customize", "sync", "finalize"]) {
  t.test(`1000 damaged bodies at ${hook} are answered or refused, and none is a 5xx`, async (t) => {
    const { post } = startToggleHooks(t);
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(fc.oneof(...bodies.map(damaged), fc.json()), async (text) => {
        const { statusCode, body } = await post(hook, text);
        seen.add(statusCode);
        if (statusCode !== 200 && statusCode !== 400) throw new Error(`${statusCode} ${body}`);
      }),
      { numRuns: 1000, seed: 20261122 },
    );
    t.strictSame([...seen].sort(), [200, 400]);
  });
}
