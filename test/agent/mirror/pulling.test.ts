// SPDX-License-Identifier: Apache-2.0
// Tests what a mirror takes over from its primary, that nothing is sent twice, and that nothing that only one side knows is lost.
import t from "tap";
import type { RoleOrder } from "../../../server/agent-api/role-schema.ts";
import { SET, type SetAgent } from "../role/set-agent.ts";
import { mirrorScene, until } from "./mirror-scene.ts";

t.setTimeout(590_000);

t.test(
  "a blank token joins, and then holds all that the primary has; what is known is not sent again",
  async (t) => {
    const { order, orderAll, pull, content, put, read, sent, find } = await mirrorScene(t);
    await order("a");
    for (let at = 0; at < 20; at += 1) await put("a", `secrets/n/${at}`, `value ${at}`);
    await put("a", "secrets/n/gone", "");
    await find("a").ask("DELETE", "/v1/secrets/secrets/n/gone");
    await orderAll("a");
    t.match(await pull("b"), { secrets: 20, mirror: { epoch: 1, ageSeconds: 0, diverged: 0 } });
    t.equal(sent("a"), 20);
    t.same(await content("b"), await content("a"), "with stamps and deletions");
    t.equal(await read("b", "secrets/n/7"), "value 7");
    const { instance, position } = await find("a").set.role.told();
    t.match(await pull("b"), { mirror: { holds: { member: "a", instance, position } } });
    t.equal(sent("a"), 20, "an equal token is sent nothing");
    // With the deletion forgotten that both have seen, the list was another one.
    await pull("b");
    const listings = () =>
      find("a")
        .audits()
        .filter(({ audit }) => audit === "holding");
    t.equal(listings().at(-1)?.outcome, "unchanged", "not even the list");
    await put("a", "secrets/n/3", "changed");
    await pull("b");
    t.equal(sent("a"), 21, "one changed, one was sent");
    t.equal(await read("b", "secrets/n/3"), "changed");
  },
);

t.test(
  "a primary tells its mirrors of each change, and a mirror looks by itself in its interval",
  async (t) => {
    const { orderAll, pull, put, read, find, cut, mend } = await mirrorScene(t);
    await orderAll("a");
    await put("a", "one", "1");
    await until(async () => (await read("b", "one")) === "1", "the change");
    // What the order itself has it pull, so that the interval alone is left.
    await find("b").clock.pass(1);
    await pull("b");
    await cut("b");
    await put("a", "two", "2");
    await mend("b");
    await find("b").clock.pass(53_000);
    await new Promise((resolve) => setTimeout(resolve, 200));
    t.equal(await read("b", "two"), undefined);
    await find("b").clock.pass(14_000);
    await until(async () => (await read("b", "two")) === "2", "the pull of the interval");
  },
);

t.test("a mirror that becomes the primary ends its pull before", async (t) => {
  const { order, orderAll, put, read, find } = await mirrorScene(t);
  await orderAll("a");
  const { member, puller } = find("b").set;
  const take = member.take.bind(member);
  const held = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  member.take = async (path, copy) => {
    begun.resolve();
    await held.promise;
    return take(path, copy);
  };
  await put("a", "x", "1");
  await put("a", "y", "1");
  void puller.pull();
  await begun.promise;
  let isTaken = false;
  const taken = order("b", { primary: "b", role: "primary", epoch: 2 }).then((answer) => {
    isTaken = true;
    return answer;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.notOk(isTaken, "a copy is on its way to the token");
  held.resolve();
  t.match(await taken, { status: 200, json: { lease: { role: "primary" } } });
  t.equal(await read("b", "y"), undefined, "and the rest is not copied");
  t.match(await put("b", "y", "2"), { status: 201 });
  t.equal(await read("b", "y"), "2");
});

t.test("what both sides wrote during a cut stands on both, counted, until somebody decides", async (t) => {
  const { order, orderAll, pull, put, read, find, cut, mend, content } = await mirrorScene(t);
  await orderAll("a");
  for (const path of ["kept/here", "kept/there", "quiet", "gone/here"]) await put("a", path, "before");
  await pull("b");
  await cut("b");
  // Nobody has pulled these when the primary is lost.
  await put("a", "kept/here", "of a");
  await put("a", "kept/there", "of a");
  await put("a", "only/a", "of a");
  await find("a").ask("DELETE", "/v1/secrets/gone/here");
  await mend("b");
  await find("a").clock.pass(30_000);
  await order("b", { primary: "b", role: "primary", epoch: 2 });
  for (const path of ["kept/here", "kept/there", "gone/here"]) await put("b", path, "of b");
  await put("b", "new", "of b");
  await orderAll("b", { epoch: 2 });
  const told = await pull("a");
  t.match(told, { lease: { role: "mirror" }, mirror: { epoch: 2, diverged: 4, holds: { member: "b" } } });
  t.notOk(told.mirror?.failed);
  t.equal(await read("a", "kept/here"), "of a", "nothing is overwritten");
  t.equal(await read("b", "kept/here"), "of b");
  t.equal(await read("a", "new"), "of b", "and the rest goes on");
  const { json } = await find("a").ask("GET", "/v1/mirror/diverged", undefined, { as: "reader" });
  t.match(json, {
    device: "a",
    primary: "b",
    diverged: [
      { path: "gone/here", here: null, there: { keys: ["key"], bytes: 4, epoch: 2 } },
      { path: "kept/here", here: { keys: ["key"], bytes: 4, epoch: 1 }, there: { epoch: 2 } },
      { path: "kept/there" },
      { path: "only/a", here: { epoch: 1 }, there: null },
    ],
  });
  t.notMatch(JSON.stringify(json), Buffer.from("of a").toString("base64"));

  const resolve = (path: string, keep: string) => find("a").ask("POST", "/v1/mirror/resolve", { path, keep });
  t.match(await resolve("quiet", "here"), { status: 404 }, "what is not diverged is not decided");
  t.match(await resolve("kept/there", "there"), { status: 200, json: { kept: "there", diverged: 3 } });
  t.equal(await read("a", "kept/there"), "of b");
  t.match(await resolve("kept/here", "here"), { status: 200, json: { diverged: 2 } });
  t.equal(await read("b", "kept/here"), "of a");
  t.match(await resolve("only/a", "here"), { status: 200, json: { diverged: 1 } });
  t.equal(await read("b", "only/a"), "of a");
  t.match(await resolve("gone/here", "here"), { status: 200, json: { diverged: 0 } });
  t.equal(await read("b", "gone/here"), undefined, "a deletion is a decision too");
  t.same(await content("a"), await content("b"));
  const told2 = await find("a").set.role.told();
  t.equal(told2.mirror?.diverged, 0);
  t.match(
    find("a")
      .audits()
      .filter(({ audit }) => audit === "resolve")
      .at(-1),
    {
      path: "gone/here",
      outcome: "kept-here",
      who: { token: "ci" },
    },
  );
});

t.test("a decision is refused where the primary's copy has changed since", async (t) => {
  const { orderAll, put, pull, find } = await mirrorScene(t);
  await orderAll("a");
  await put("a", "x", "1");
  await pull("b");
  const asked = { data: { key: "" }, stamp: { epoch: 0, version: 9, history: [] }, replaces: null };
  const answer = await find("a").ask("PUT", "/v1/mirror/secrets/x", asked);
  t.match(answer, { status: 412, json: { code: "PRECONDITION_FAILED" } });
  t.match(await find("b").ask("PUT", "/v1/mirror/secrets/x", asked), {
    status: 409,
    json: { code: "NOT_PRIMARY" },
  });
  t.match(await find("a").ask("PUT", "/v1/mirror/secrets/x", asked, { as: "reader" }), { status: 403 });
  t.match(await find("a").ask("POST", "/v1/mirror/resolve", { path: "x", keep: "here" }), { status: 503 });
});

t.test(
  "a deletion reaches a mirror that was away for long, and is forgotten when all have seen it",
  async (t) => {
    const { orderAll, pull, put, find, cut, mend, holding } = await mirrorScene(t, ["a", "b", "c"]);
    await orderAll("a");
    await put("a", "x", "1");
    await put("a", "y", "1");
    await pull("b");
    await pull("c");
    await cut("c");
    await find("a").ask("DELETE", "/v1/secrets/x");
    await put("a", "y", "2");
    await pull("b");
    await pull("b");
    t.match(await holding("a"), { tombstones: [{ path: "x" }] }, "one member has not seen it");
    t.match(await holding("b"), { tombstones: [{ path: "x" }] });
    await mend("c");
    t.match(await pull("c"), { secrets: 1, mirror: { diverged: 0 } });
    t.equal((await find("c").ask("GET", "/v1/secrets/x")).status, 404);
    // Each says what it holds when it asks the next time.
    await pull("b");
    await pull("c");
    await until(async () => (await holding("a")).tombstones.length === 0, "the end of the tombstone");
    await pull("b");
    t.same((await holding("b")).tombstones, []);
  },
);

t.test("a path that was deleted, forgotten and written again is no diverged one", async (t) => {
  const { orderAll, pull, put, read, find, holding, cut } = await mirrorScene(t);
  await orderAll("a");
  await put("a", "x", "1");
  await put("a", "x", "2");
  // It pulls when the test says so.
  await pull("b");
  await cut("b");
  await find("a").ask("DELETE", "/v1/secrets/x");
  await pull("b");
  find("a").set.followers.reported(await find("b").set.puller.report(await lastOrder(find("b"))));
  await until(async () => (await holding("a")).tombstones.length === 0, "the end of the tombstone");
  t.match(await holding("b"), { tombstones: [{ path: "x" }] }, "the mirror has it still");
  await put("a", "x", "3");
  t.match(await pull("b"), { mirror: { diverged: 0 } });
  t.equal(await read("b", "x"), "3");
});

const lastOrder = async (agent: SetAgent): Promise<RoleOrder> => {
  const order = agent.set.role.lease.lastOrder();
  if (order === undefined) throw new Error("no order");
  return order;
};

t.test("nothing is pulled from a token that is empty, older or of another set", async (t) => {
  const { orderAll, order, pull, put, read, find } = await mirrorScene(t);
  await orderAll("a");
  await put("a", "x", "1");
  const before = await pull("b");
  for (const path of ["x", "keyswitch/1/set"]) find("a").store.remove(path);
  t.match(await pull("b"), { secrets: 1, mirror: { holds: before.mirror?.holds } });
  t.equal(await read("b", "x"), "1");
  await find("a").set.member.join({ set: SET, epoch: 1 });
  t.match(await pull("b"), { mirror: { diverged: 1 } }, "what an empty one does not know of is counted");
  t.equal(await read("b", "x"), "1", "empty");
  t.match(await order("b", { epoch: 2, role: "mirror" }), { status: 200 });
  await pull("b");
  t.match(
    find("b")
      .lines.filter(({ msg }) => msg === "nothing was pulled")
      .at(-1),
    { code: "STALE_EPOCH" },
  );
  t.equal(await read("b", "x"), "1", "older");
});

t.test("a mirror whose token was exchanged says that it holds nothing", async (t) => {
  const { orderAll, pull, put, find } = await mirrorScene(t);
  await orderAll("a");
  await put("a", "x", "1");
  t.ok((await pull("b")).mirror?.holds);
  for (const path of ["x", "keyswitch/1/set"]) find("b").store.remove(path);
  t.match(await pull("b"), { mirror: null, secrets: 0 }, "and writes nothing to a token that is no member");
});

t.test("an error at one path does not stop the others, and is told", async (t) => {
  const { orderAll, pull, put, read, find } = await mirrorScene(t);
  await orderAll("a");
  await pull("b");
  const { member } = find("b").set;
  const take = member.take.bind(member);
  member.take = async (path, copy) =>
    path === "b" ? { kind: "refused", code: "TOKEN_FULL", message: "full" } : take(path, copy);
  for (const path of ["a", "b", "c"]) await put("a", path, path);
  const held = (await find("b").set.role.told()).mirror?.holds;
  const told = await pull("b");
  t.match(told, { mirror: { failed: { paths: 1, code: "TOKEN_FULL" }, diverged: 0 } });
  t.same([await read("b", "a"), await read("b", "b"), await read("b", "c")], ["a", undefined, "c"]);
  t.same(told.mirror?.holds, held, "what it holds all of is what it held before");
  member.take = take;
  t.notOk((await pull("b")).mirror?.failed);
  t.equal(await read("b", "b"), "b");
});

t.test("a token with secrets of its own is adopted, and joins with them", async (t) => {
  const { orderAll, order, pull, put, read, find } = await mirrorScene(t);
  const adopt = (set: string, as: "writer" | "reader" = "writer") =>
    find("b").ask("POST", "/v1/mirror/adopt", { set }, { as });
  find("b").store.put("own", { key: "of b" });
  await order("a");
  await put("a", "x", "1");
  await t.rejects(orderAll("a"), /NOT_A_MEMBER/);
  t.match(await adopt(SET, "reader"), { status: 403 });
  t.match(await adopt(SET), { status: 200, json: { device: "b", set: SET, epoch: 0 } });
  t.match(await adopt(SET), { status: 200 });
  t.match(await adopt("default/other"), { status: 409, json: { code: "OTHER_SET" } });
  await orderAll("a");
  t.match(await pull("b"), { set: { epoch: 1 }, mirror: { diverged: 1 } });
  t.same([await read("b", "x"), await read("b", "own")], ["1", "of b"]);
});
