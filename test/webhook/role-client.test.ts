// SPDX-License-Identifier: Apache-2.0
// Tests how the webhook asks agents for their roles and orders them: all at once, within a deadline, and what of it counts.
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Value } from "@sinclair/typebox/value";
import t, { type Test } from "tap";
import type { PlannedOrder } from "../../hooks/hsmdevice/index.ts";
import { RoleOrder } from "../../server/agent-api/role-schema.ts";
import { monotonicClock } from "../../server/time.ts";
import { createRoleClient } from "../../server/webhook/role-client.ts";
import { RoleAgent } from "../doubles/role-agent.ts";
import { createAuthority, type Issued } from "../http/authority.ts";
import { recordedLog } from "../http/recorded-log.ts";

const TOKEN = "t".repeat(64);
const folder = t.testdir({ token: TOKEN });
const authority = createAuthority(folder);
const shown = authority.issue("agent");
const stranger = createAuthority(folder, "other").issue("stranger");

type Call = { method: string; url: string; authorization: string | undefined; body: unknown };
type Answer = { status: number; body: unknown } | "hangs";

/** A server that answers as `answer` says; gives its address and what it was sent. */
const serve = async (t: Test, answer: (call: Call) => Answer, { cert, key }: Issued = shown) => {
  const calls: Call[] = [];
  const server = createServer({ cert, key }, async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const { method = "", url = "", headers } = request;
    const body = text === "" ? undefined : JSON.parse(text);
    const call = { method, url, authorization: headers.authorization, body };
    calls.push(call);
    const said = answer(call);
    if (said === "hangs") return;
    response.writeHead(said.status, { "content-type": "application/json" }).end(JSON.stringify(said.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, calls };
};

/** An agent over the real lease. */
const agentOf = (id: string, secrets = 0) =>
  new RoleAgent(`hsm-${id}`, "a", { secrets, versions: secrets }, monotonicClock);

const answering =
  (agent: RoleAgent) =>
  ({ method, body }: Call): Answer => {
    if (method === "GET") return { status: 200, body: agent.told() };
    if (!Value.Check(RoleOrder, body)) return { status: 400, body: {} };
    const answer = agent.order(body);
    return answer.status === 200 ? answer : { status: 409, body: { code: answer.code, message: "no" } };
  };

/** For answers that are to come however busy the machine is, beside those that never do. */
const LIMIT_MS = 2500;

const clientOf = (t: Test, options: { askMs?: number; orderMs?: number; serverName?: string } = {}) => {
  const { logger, lines } = recordedLog();
  const access = { tokenFile: join(folder, "token"), caFile: authority.caFile, serverName: "localhost" };
  const client = createRoleClient({ ...access, logger, ...options });
  t.teardown(() => client.close());
  return { client, lines };
};

const orderFor = (
  id: string,
  address: string,
  { instance, clockMs }: { instance: string; clockMs: number },
) =>
  ({
    id,
    address,
    order: {
      set: "keyswitch/hsm",
      epoch: 1,
      role: "primary",
      primary: id,
      member: id,
      ttlSeconds: 30,
      instance,
      clockMs,
      found: true,
      policy: "Active",
      members: [{ id, address }],
      syncIntervalSeconds: 60,
    },
  }) satisfies PlannedOrder;

t.test("each agent that answers is in the reading, whatever the others do", async (t) => {
  const [a, b] = [agentOf("a"), agentOf("b", 2)];
  const answers: [string, (call: Call) => Answer, Issued?][] = [
    ["a", answering(a)],
    ["hangs", () => "hangs"],
    ["down", () => ({ status: 503, body: { code: "TOKEN_UNAVAILABLE", message: "" } })],
    ["other", () => ({ status: 200, body: { ...a.told(), lease: "primary" } })],
    ["nothing", () => ({ status: 200, body: "primary" })],
    ["stranger", answering(a), stranger],
    ["b", answering(b)],
  ];
  const questions = await Promise.all(
    answers.map(async ([id, answer, issued]) => ({ id, address: (await serve(t, answer, issued)).address })),
  );
  const { client, lines } = clientOf(t, { askMs: LIMIT_MS });
  const startedAt = performance.now();
  const reading = await client.ask([...questions, { id: "nobody", address: "127.0.0.1:1" }], "r-1");
  t.strictSame([...reading.keys()], ["a", "b"]);
  t.match(reading.get("b"), { device: "hsm-b", secrets: 2, set: null });
  t.ok(performance.now() - startedAt < 2 * LIMIT_MS, "not one after the other");
  t.equal(lines.filter(({ msg }) => String(msg).includes("/v1/role")).length, 6);
});

t.test("an order carries the token and the name of the agents, and its answer counts", async (t) => {
  const agent = agentOf("a");
  const { address, calls } = await serve(t, answering(agent));
  const { client } = clientOf(t);
  const before = await client.ask([{ id: "a", address }], "r-1");
  const after = await client.order([orderFor("a", address, agent.told())], before, "r-2");
  t.match(after.get("a"), { set: { set: "keyswitch/hsm", epoch: 1 }, lease: { role: "primary" } });
  t.match(before.get("a"), { set: null, lease: null }, "what was read before stays as it was");
  t.equal(agent.lease.writeRight().kind, "granted");
  t.match(calls, [
    { method: "GET", url: "/v1/role", authorization: `Bearer ${TOKEN}` },
    { method: "PUT", url: "/v1/role", authorization: `Bearer ${TOKEN}`, body: { serverName: "localhost" } },
  ]);
});

t.test("after a refusal what the agent said before stays; without an answer it says nothing", async (t) => {
  const agent = agentOf("a");
  const refusing = await serve(t, answering(agent));
  const quiet = (status: number) => serve(t, () => ({ status, body: { code: "X", message: "" } }));
  const hanging = await serve(t, ({ method }) =>
    method === "GET" ? { status: 200, body: agent.told() } : "hangs",
  );
  const addresses = {
    refusing: refusing.address,
    hanging: hanging.address,
    unready: (await quiet(503)).address,
    closed: (await quiet(401)).address,
  };
  const { client } = clientOf(t, { orderMs: LIMIT_MS });
  const told = agent.told();
  const before = new Map(Object.keys(addresses).map((id) => [id, told]));
  const stale = { instance: "an earlier process", clockMs: 0 };
  const startedAt = performance.now();
  const after = await client.order(
    Object.entries(addresses).map(([id, address]) => orderFor(id, address, stale)),
    before,
    "r-1",
  );
  t.strictSame([...after], [["refusing", told]]);
  t.ok(performance.now() - startedAt < 2 * LIMIT_MS);
});

t.test("an agent whose certificate has another name is not believed", async (t) => {
  const { address, calls } = await serve(t, answering(agentOf("a")));
  const { client } = clientOf(t, { serverName: "elsewhere.svc" });
  t.equal((await client.ask([{ id: "a", address }], "r-1")).size, 0);
  t.strictSame(calls, []);
});
