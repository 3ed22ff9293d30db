// SPDX-License-Identifier: Apache-2.0
// Tests which writes an agent of a set takes: those of a primary with a lease, and those that a mirror hands on.
import t, { type Test } from "tap";
import { nowBelongsTo, order, SET, setTokens, startSetAgent, toldBy } from "./set-agent.ts";

const DATA = { data: { user: "c2hvcA==" } };
const SECRET = "/v1/secrets/secrets/a/db";
/** Each route that writes, with a body that it takes. */
const WRITES: readonly (readonly [method: string, path: string, body?: object])[] = [
  ["PUT", SECRET, DATA],
  ["PATCH", SECRET, DATA],
  ["DELETE", `${SECRET}?key=user`],
  ["DELETE", SECRET],
  ["POST", "/v1/import", { secrets: [{ path: "secrets/a/db", ...DATA }] }],
  ["POST", "/v1/repack", { paths: ["secrets/a/db"] }],
  ["POST", "/v1/repair", {}],
];

const pair = async (t: Test) => {
  const tokens = setTokens(t);
  const [a, b] = [await startSetAgent(t, tokens, "a"), await startSetAgent(t, tokens, "b")] as const;
  return { a, b, both: [a, b] as const };
};

t.test(
  "without a lease every route that writes is refused, and the audit log says who wanted to",
  async (t) => {
    const { a, both } = await pair(t);
    a.store.put("secrets/a/db", { user: "kept" });
    const all = async (code: string, status: number) => {
      const before = await a.store.list("");
      for (const [method, path, body] of WRITES) {
        const answer = await a.ask(method, path, body);
        t.match(answer, { status, json: { code } }, `${method} ${path} is ${code}`);
        if (code === "NO_LEASE") t.equal(answer.headers.get("retry-after"), "5");
        t.match(a.audits().at(-1), { outcome: code, who: { token: "ci" } });
      }
      t.same(await a.store.list(""), before);
    };
    await all("NO_LEASE", 503);
    await order(a, both);
    t.match(await a.ask("PUT", SECRET, DATA), { status: 200 });
    await a.clock.pass(29_999);
    t.match(await a.ask("PUT", SECRET, { data: { user: "" } }), { status: 200 }, "up to its last moment");
    await a.clock.pass(1);
    await all("NO_LEASE", 503);
    t.match(await toldBy(a), { lease: null });
    await order(a, both, { draining: true });
    await all("NO_LEASE", 503);
    await a.clock.pass(1);
    await order(a, both, { acks: [] });
    await all("NO_MIRROR", 503);
    await order(a, both, { epoch: 2, role: "mirror", primary: "b" });
    await all("NOT_PRIMARY", 409);
    t.match((await a.ask("PUT", SECRET, DATA)).json.message, /mirror of default\/hsm; its primary is b,/);
    t.match(await a.ask("POST", "/v1/repair", { dryRun: true }), { status: 200 }, "to look is no write");
    t.match(await a.ask("GET", SECRET), { status: 200 }, "and reads go on");
  },
);

t.test("a write under the lease has the lease's epoch, and none is made on another token", async (t) => {
  const { a, both } = await pair(t);
  await order(a, both, { epoch: 3 });
  t.match(await a.ask("PUT", SECRET, DATA), { status: 201, json: { version: 1 } });
  t.match(await a.ask("PUT", "/v1/secrets/b/c", { ...DATA, quota: { prefix: "b/", objects: 9 } }), {
    status: 201,
  });
  const held = await a.member.holding();
  t.match(held, { holding: { secrets: [{ stamp: { epoch: 3, version: 1 } }, { stamp: { epoch: 3 } }] } });
  await nowBelongsTo(a, { set: SET, epoch: 2 });
  t.match(await a.ask("DELETE", SECRET), { status: 503, json: { code: "NO_LEASE" } });
  t.match(await toldBy(a), { lease: null, position: 2, writing: 0 });
});

t.test(
  "an Active mirror hands writes on to the primary, as their caller, and answers its answer",
  async (t) => {
    const { a, b, both } = await pair(t);
    await order(a, both);
    await order(b, both, { policy: "Active" });
    const made = await b.ask("PUT", SECRET, DATA);
    t.match(made, { status: 201, json: { outcome: "created", device: "a" } });
    t.equal(made.headers.get("etag"), `"${made.json.checksum}"`);
    t.match(a.audits().at(-1), { audit: "put", outcome: "created", who: { token: "ci" } });
    t.match(b.audits().at(-1), { audit: "put", outcome: "handed-on", who: { token: "ci" } });
    t.match(await b.ask("PUT", SECRET, DATA, { headers: { "if-none-match": "*" } }), { status: 412 });
    t.match(await b.ask("PATCH", SECRET, { data: { more: "" } }), {
      status: 200,
      json: { keys: ["more", "user"] },
    });
    t.match(await b.ask("DELETE", `${SECRET}?key=more`), { status: 200, json: { keys: ["user"] } });
    t.match(await b.ask("PUT", "/v1/secrets/..", DATA), { status: 404 });
    t.match(await b.ask(...(WRITES[4] as [string, string, object])), {
      json: { results: [{ outcome: "unchanged" }] },
    });
    t.match(await b.ask("DELETE", SECRET), { status: 200, json: { outcome: "deleted" } });
    t.match(await b.ask("PUT", SECRET, DATA, { as: "reader" }), { status: 403 });
    t.match(
      await b.ask("POST", "/v1/repack", { paths: ["a"] }),
      { status: 409 },
      "a layout is each token's own",
    );
    t.same(
      (await b.ask("GET", "/v1/secrets")).json,
      { secrets: [], invalid: [] },
      "nothing is on its own token",
    );
  },
);

t.test("a write is handed on once alone, and a primary that is gone wrote nothing", async (t) => {
  const { a, b, both } = await pair(t);
  await order(a, both, { role: "mirror", primary: "b", policy: "Active" });
  await order(b, both, { role: "mirror", primary: "a", policy: "Active" });
  t.match(await a.ask("PUT", SECRET, DATA), { status: 409, json: { code: "NOT_PRIMARY" } });
  t.equal(b.audits().at(-1)?.outcome, "NOT_PRIMARY");
  await b.app.close();
  const answer = await a.ask("PUT", SECRET, DATA);
  t.match(answer, { status: 503, json: { code: "NO_LEASE", message: /primary b .*nothing was written/ } });
  await order(a, [a], { role: "mirror", primary: "b", policy: "Active" });
  t.match(await a.ask("PUT", SECRET, DATA), { status: 503, json: { message: /has no address/ } });
});

t.test("metrics show the role and for how long it is held", async (t) => {
  const { a, both } = await pair(t);
  const metrics = async () => (await fetch(`${a.url}/metrics`, { headers: await bearer(a) })).text();
  t.match(await metrics(), 'keyswitch_agent_role{role="none"} 1');
  await order(a, both);
  await a.ask("PUT", SECRET, DATA);
  const text = await metrics();
  t.match(text, 'keyswitch_agent_role{role="primary"} 1');
  t.match(text, 'keyswitch_agent_role{role="none"} 0');
  t.match(text, "keyswitch_agent_lease_remaining_seconds 30");
  t.match(text, "keyswitch_agent_position 1");
});

const bearer = async ({ tokens }: { tokens: { reader: string } }) => ({
  authorization: `Bearer ${tokens.reader}`,
});
