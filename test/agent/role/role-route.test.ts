// SPDX-License-Identifier: Apache-2.0
// Tests GET and PUT /v1/role: what an agent says of itself, which orders it takes, and what it writes to its token before.
import t from "tap";
import { unavailable } from "../../../server/agent/store.ts";
import {
  membershipOf,
  nowBelongsTo,
  order,
  orderFor,
  SET,
  setTokens,
  startSetAgent,
  toldBy,
} from "./set-agent.ts";

t.test("an agent says what it is, and takes a role from a lease that runs from what it said", async (t) => {
  const agent = await startSetAgent(t, setTokens(t), "a");
  const before = await toldBy(agent);
  t.match(before, {
    device: "a",
    node: "node-a",
    token: { ready: true },
    set: null,
    secrets: 0,
    versions: 0,
  });
  t.match(before, { lease: null, position: 0, writing: 0, mirror: null });
  const first = await orderFor(agent, [agent]);
  await agent.clock.pass(10_000);
  const taken = await agent.ask("PUT", "/v1/role", first, { as: "role" });
  t.match(taken, {
    status: 200,
    json: { set: { set: SET, epoch: 1 }, lease: { role: "primary", epoch: 1, remainingMs: 20_000 } },
  });
  t.equal(taken.headers.get("cache-control"), "no-store");
  t.same(await membershipOf(agent), { set: SET, epoch: 1 });
  await agent.ask("PUT", "/v1/secrets/a/db", { data: { user: "" } });
  await agent.ask("PUT", "/v1/secrets/a/db", { data: { user: "" } });
  await agent.ask("PUT", "/v1/secrets/a/db", { data: { user: "YQ==" } });
  await agent.ask("DELETE", "/v1/secrets/a/db");
  t.match(
    await toldBy(agent),
    { position: 3, secrets: 0, versions: 3 },
    "what changed nothing does not count",
  );
  t.same(
    agent.audits().filter(({ audit }) => audit === "role"),
    agent.audits().slice(0, 1),
    "the role is told once",
  );
  await order(agent, [agent]);
  t.equal(agent.audits().filter(({ audit }) => audit === "role").length, 1, "and not when it is renewed");
});

t.test("orders that are refused change nothing", async (t) => {
  const agent = await startSetAgent(t, setTokens(t), "a");
  const late = await orderFor(agent, [agent]);
  const refused = async (fields: object, code: string) =>
    t.match(await order(agent, [agent], fields), { status: 409, json: { code } });
  await refused({ instance: "another" }, "STALE_ORDER");
  await refused({ clockMs: 1000 }, "STALE_ORDER");
  await refused({ found: false }, "NOT_A_MEMBER");
  t.equal(await membershipOf(agent), undefined);
  await nowBelongsTo(agent, { set: SET, epoch: 5 });
  await refused({ epoch: 4 }, "STALE_EPOCH");
  await refused({ set: "default/other", epoch: 9 }, "OTHER_SET");
  t.match(await order(agent, [agent], { epoch: 6 }), { status: 200 });
  t.same(await membershipOf(agent), { set: SET, epoch: 6 });
  const stale = await agent.ask("PUT", "/v1/role", { ...late, epoch: 5 }, { as: "role" });
  t.match(stale, { status: 409, json: { code: "STALE_ORDER" } });
  t.match(await toldBy(agent), { lease: { epoch: 6 } }, "an old order takes nothing away");
  await nowBelongsTo(agent, { set: "default/other", epoch: 1 });
  await refused({ epoch: 6 }, "OTHER_SET");
  t.match(await toldBy(agent), { lease: null }, "on another token the role is given up");
});

t.test("a token with secrets joins as a mirror only where it is a member", async (t) => {
  const agent = await startSetAgent(t, setTokens(t), "b");
  agent.store.put("own/secret", { key: "value" });
  const fields = { role: "mirror", primary: "a" } as const;
  t.match(await order(agent, [agent], fields), { status: 409, json: { code: "NOT_A_MEMBER" } });
  agent.store.remove("own/secret");
  t.match(await order(agent, [agent], fields), { status: 200, json: { lease: { role: "mirror" } } });
});

t.test("a token that can't be read takes no role, and one that can't be written none either", async (t) => {
  const agent = await startSetAgent(t, setTokens(t), "a");
  const wanted = await orderFor(agent, [agent]);
  const join = agent.member.join;
  agent.member.join = async () => ({ kind: "refused", code: "TOKEN_FULL", message: "full" });
  const send = () => agent.ask("PUT", "/v1/role", wanted, { as: "role" });
  t.match(await send(), { status: 507, json: { code: "TOKEN_FULL" } });
  t.match(await toldBy(agent), { set: null, lease: null });
  agent.member.join = join;
  agent.store.fail(unavailable("PIN_LOCKED", "the PIN is locked"));
  t.match(await send(), { status: 503, json: { code: "PIN_LOCKED" } });
  const told = await toldBy(agent);
  t.match(told, { token: { ready: false, code: "PIN_LOCKED" }, lease: null });
  t.notOk("set" in told, "nothing is said of a token that can't be read");
  t.same(
    agent.audits().map(({ audit, outcome }) => [audit, outcome]),
    [
      ["role", "TOKEN_FULL"],
      ["role", "PIN_LOCKED"],
    ],
  );
});

t.test("the role token gives roles and reads no secret; the others give none", async (t) => {
  const agent = await startSetAgent(t, setTokens(t), "a");
  const wanted = await orderFor(agent, [agent]);
  for (const as of ["reader", "writer"] as const) {
    t.match(await agent.ask("PUT", "/v1/role", wanted, { as }), { status: 403 });
    t.match(await agent.ask("GET", "/v1/role", undefined, { as }), { status: 200 });
  }
  t.match(agent.audits().at(-1), { audit: "role", outcome: "FORBIDDEN", who: { token: "ci" } });
  for (const path of ["/v1/secrets", "/v1/secrets/a", "/v1/info"]) {
    t.match(await agent.ask("GET", path, undefined, { as: "role" }), { status: 403 }, path);
  }
  t.match(await agent.ask("PUT", "/v1/secrets/a", { data: { a: "" } }, { as: "role" }), { status: 403 });
});
