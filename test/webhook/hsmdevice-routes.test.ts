// SPDX-License-Identifier: Apache-2.0
// Tests the HSMDevice hooks over HTTP: what they ask of discovery, answers, log lines, and malformed bodies.

import { Value } from "@sinclair/typebox/value";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import type { Question } from "../../hooks/hsmdevice/index.ts";
import { CustomizeResponse, SyncResponse } from "../../hooks/metacontroller.ts";
import { buildServer } from "../../server/http/server.ts";
import { createHookMetrics } from "../../server/webhook/hook-routes.ts";
import { addHsmDeviceRoutes } from "../../server/webhook/hsmdevice-routes.ts";
import { noRoles, type RoleClient } from "../../server/webhook/role-client.ts";
import type { StatusAge } from "../../server/webhook/status-check.ts";
import { SetWorld } from "../hooks/hsmdevice/set-world.ts";
import { pico, World } from "../hooks/hsmdevice/world.ts";
import { recordedLog } from "../http/recorded-log.ts";

/** The routes on a bare server, with the discovery of `world`. */
const startHooks = (
  t: Test,
  world: World,
  roles: Pick<RoleClient, "ask" | "order"> = noRoles,
  age: () => StatusAge = () => "current",
  monotonic: () => number = () => world.time * 1000,
) => {
  const log = recordedLog();
  const asked: Question[] = [];
  const events: { reason: string }[] = [];
  const app = buildServer({
    logger: log.logger,
    registry: new Registry(),
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    ready: () => [],
  });
  addHsmDeviceRoutes(app, {
    discovery: {
      async ask(questions) {
        asked.push(...questions);
        return new Map(world.reports().map((report) => [report.node, report]));
      },
    },
    roles,
    statuses: { age: async () => age() },
    events: { post: (_, event) => events.push(event) },
    metrics: createHookMetrics(new Registry()),
    clock: () => new Date(world.now),
    monotonic,
  });
  t.teardown(() => app.close());
  const post = (hook: string, payload: object) =>
    app.inject({ method: "POST", url: `/hooks/hsmdevice/${hook}`, payload });
  return { post, asked, events };
};

t.test(
  "customize asks for discovery, the selected nodes, and what has the names of the children",
  async (t) => {
    const world = new World({});
    world.spec = { ...world.spec, nodeSelector: { hsm: "yes" } };
    const { controller, parent } = world.request();
    const answer = await startHooks(t, world).post("customize", { controller, parent });
    t.ok(Value.Check(CustomizeResponse, answer.json()));
    t.match(answer.json().relatedResources, [
      { resource: "pods", namespace: "keyswitch", labelSelector: { matchLabels: Object } },
      { resource: "nodes", labelSelector: { matchLabels: { hsm: "yes" } } },
      { resource: "deployments", namespace: "keyswitch" },
      { resource: "services", names: ["hsm-hsm"] },
      { resource: "networkpolicies", names: ["hsm-hsm"] },
    ]);
  },
);

t.test("with mirroring customize asks for the agents' pods as well", async (t) => {
  const world = new World({});
  const podsOf = async (policy: "None" | "Active") => {
    world.spec = { ...world.spec, mirroring: { policy } };
    const { controller, parent } = world.request();
    const answer = await startHooks(t, world).post("customize", { controller, parent });
    t.ok(Value.Check(CustomizeResponse, answer.json()));
    return answer.json().relatedResources.filter((rule: { resource: string }) => rule.resource === "pods");
  };
  t.equal((await podsOf("None")).length, 1);
  t.match((await podsOf("Active"))[1], {
    namespace: "keyswitch",
    labelSelector: {
      matchLabels: {
        "app.kubernetes.io/name": "keyswitch-hsmdevice-agent",
        "hsm.j5t.io/hsmdevice": "hsm",
      },
    },
  });
});

t.test("sync asks the ready pods of discovery, and answers what the contract has", async (t) => {
  const world = new World({ a: [pico("A")], b: [] });
  world.silent.add("b");
  const { post, asked, events } = startHooks(t, world);
  const answer = await post("sync", world.request());
  t.equal(answer.statusCode, 200);
  t.strictSame(asked, [{ node: "a", address: "10.0.0.1" }]);
  t.ok(Value.Check(SyncResponse, answer.json()));
  t.match(answer.json(), { status: { phase: "Pending", devices: "0/1" }, resyncAfterSeconds: 10 });
  t.match(events, [{ reason: "Starting" }]);
});

t.test(
  "sync asks agents beside discovery, orders by the status, and answers by what came of it",
  async (t) => {
    const world = new SetWorld().run(20);
    const steps: string[] = [];
    const { post, events } = startHooks(t, world, {
      async ask(questions) {
        steps.push(`ask ${questions.map(({ id }) => id)}`);
        return new Map(questions.map(({ id }) => [id, world.agent(id).told()]));
      },
      async order(orders, before) {
        steps.push(`order ${orders.map(({ id }) => id)}`);
        const after = new Map(before);
        for (const { id, order } of orders) {
          const answer = world.agent(id).order(JSON.parse(JSON.stringify(order)));
          if (answer.status === 200) after.set(id, answer.body);
        }
        return after;
      },
    });
    world.status = undefined;
    const sync = async () => {
      const answer = await post("sync", world.request());
      t.equal(answer.statusCode, 200);
      world.status = answer.json().status;
      world.time += 10;
    };
    await sync();
    t.match(world.status, { primary: "A", epoch: 1, established: undefined });
    await sync();
    t.match(world.status, {
      established: true,
      discoveredDevices: [{ role: "Primary" }, { role: "Mirror" }],
    });
    t.strictSame(steps, ["ask A,B", "order ", "ask A,B", "order A,B"]);
    t.strictSame(world.writers, ["A"]);
    t.equal(events.filter(({ reason }) => reason === "PrimaryElected").length, 1);
    await post("finalize", world.request(true));
    t.equal(steps.length, 4, "one that goes is ordered nothing");
  },
);

t.test("roles are given by a status that the API server has, and by no other", async (t) => {
  const world = new SetWorld().run(60);
  let age: StatusAge = "outdated";
  const ordered: string[] = [];
  const roles: Pick<RoleClient, "ask" | "order"> = {
    ask: async (questions) => new Map(questions.map(({ id }) => [id, world.agent(id).told()])),
    async order(orders, before) {
      ordered.push(...orders.map(({ order }) => order.role));
      return before;
    },
  };
  const { post } = startHooks(t, world, roles, () => age);
  const answer = await post("sync", world.request());
  t.equal(answer.statusCode, 429);
  t.match(answer.json(), { code: "STATUS_OUTDATED" });
  t.equal(answer.headers["retry-after"], "1");
  t.strictSame(ordered, []);
  age = "unknown";
  t.equal((await post("sync", world.request())).statusCode, 200);
  t.strictSame(ordered, ["mirror"], "nobody is granted writes, and a mirror follows on");
  age = "current";
  await post("sync", world.request());
  t.strictSame(ordered, ["mirror", "primary", "mirror"]);
  age = "outdated";
  const request = world.request();
  const pods = Object.entries(request.related["Pod.v1"] ?? {}).filter(([name]) => !name.includes("/"));
  const unseen = { ...request, related: { ...request.related, "Pod.v1": Object.fromEntries(pods) } };
  t.equal((await post("sync", unseen)).statusCode, 429, "an old copy takes no newer one's place either");
});

t.test(
  "a clock that is set, or of another node, makes nobody follow while the primary's lease may run",
  async (t) => {
    const world = new SetWorld().run(60);
    t.ok(world.agent("A").write());
    world.run(20);
    world.cut.add("A");
    let passed = 0;
    const roles: Pick<RoleClient, "ask" | "order"> = {
      ask: async (questions) =>
        new Map(
          questions.flatMap(({ id }) => (world.cut.has(id) ? [] : [[id, world.agent(id).told()] as const])),
        ),
      async order(orders, before) {
        for (const { id, order } of orders) {
          world.agent(id).order({ ...order, serverName: "agents" } as never);
        }
        return before;
      },
    };
    const { post } = startHooks(
      t,
      world,
      roles,
      () => "current",
      () => passed * 1000,
    );
    const sync = async () => {
      world.status = (await post("sync", world.request())).json().status;
      return world.found;
    };
    t.match(await sync(), { primary: "A", unreachableSince: String });
    // The node's clock is an hour ahead, and 5 s have passed.
    const now = Object.getOwnPropertyDescriptor(World.prototype, "now")?.get;
    let ahead = 3_600_000;
    Object.defineProperty(world, "now", {
      get: () => new Date(Date.parse(now?.call(world)) + ahead).toISOString().replace(/\.\d+Z$/, "Z"),
    });
    passed = 5;
    t.match(await sync(), { primary: "A", epoch: 1 });
    // And an hour behind.
    ahead = -3_600_000;
    passed = 39;
    t.match(await sync(), { primary: "A", epoch: 1 });
    passed = 40;
    t.match(await sync(), { primary: "B", epoch: 2, failoverCount: 1 });
  },
);

t.test("a webhook without a token for roles says so", async (t) => {
  const world = new SetWorld().run(20);
  const { post } = startHooks(t, world);
  t.match((await post("sync", world.request())).json().status, {
    phase: "Partial",
    message: /The webhook has no token for roles.*--only role/,
    conditions: [{ type: "Ready" }, {}, { type: "Mirrored", status: "False", message: /no token for roles/ }],
  });
});

t.test("finalize answers without discovery", async (t) => {
  const world = new World({ a: [pico("A")] }).run(20);
  const { post, asked } = startHooks(t, world);
  t.strictSame((await post("finalize", world.request(true))).json(), { children: [], finalized: false });
  t.strictSame(asked, []);
});

t.test(
  "a child of a kind that the hook does not know is refused: leaving it out would delete it",
  async (t) => {
    const world = new World({});
    const request = world.request();
    const { post } = startHooks(t, world);
    const answer = await post("sync", { ...request, children: { ...request.children, "Secret.v1": {} } });
    t.equal(answer.statusCode, 400);
  },
);
