// SPDX-License-Identifier: Apache-2.0
// Tests sets of agent processes on SoftHSM2 tokens: joining, mirroring, failover, and what a cut, a kill or a lost token leaves.
import { randomBytes } from "node:crypto";
import t from "tap";
import { SET, setProcesses } from "./mirror-processes.ts";
import { until } from "./mirror-scene.ts";

t.setTimeout(590_000);

t.test("a blank token joins and has 200 secrets; one changes, and one is sent", async (t) => {
  const { find, order, orderAll, pull, content } = await setProcesses(t);
  const [a, b] = [find("a"), find("b")];
  t.match(await a.put("x", "1"), { status: 503, json: { code: "NO_LEASE" } });
  t.match(await order("a", "a"), { status: 200, json: { lease: { role: "primary" }, secrets: 0 } });
  const secrets = Array.from({ length: 200 }, (_, at) => ({
    path: `secrets/n/${at}`,
    data: { key: randomBytes(40).toString("base64"), other: "" },
    metadata: { description: `number ${at}`, labels: { team: "a" } },
  }));
  const imported = await a.ask("POST", "/v1/import", { secrets });
  t.ok(imported.json.results.every(({ outcome }: { outcome: string }) => outcome === "created"));
  await orderAll("a");
  t.match(await pull("b", "a"), { mirror: { diverged: 0, holds: { member: "a" } }, report: { member: "b" } });
  t.match(await b.told(), { secrets: 200, lease: { role: "mirror" }, set: { set: SET, epoch: 1 } });
  await until(async () => a.audits("mirror").length >= 200, "the log of the primary");
  t.equal(a.audits("mirror").length, 200);
  t.same(await content("b"), await content("a"));
  const read = async (of: typeof a) => (await of.ask("GET", "/v1/secrets/secrets/n/17")).json;
  const { device: _, ...there } = await read(a);
  t.match(await read(b), { ...there, device: "b" }, "byte for byte, with its metadata");
  t.match(await a.put("secrets/n/3", "changed"), { status: 200 });
  await pull("b", "a");
  await until(async () => a.audits("mirror").length >= 201, "the log of the primary");
  t.equal(a.audits("mirror").length, 201);
  t.equal(await b.read("secrets/n/3"), "changed");
  t.match(await b.put("secrets/n/3", "no"), { status: 409, json: { code: "NOT_PRIMARY" } });
  t.match(
    await b.ask("GET", "/v1/secrets/keyswitch/1/set"),
    { status: 404 },
    "no client sees the membership",
  );
});

t.test(
  "a primary that is killed is followed by its mirror, and what nobody had pulled is kept",
  async (t) => {
    const { find, orderAll, order, pull, content } = await setProcesses(t);
    const [a, b] = [find("a"), find("b")];
    await orderAll("a");
    await a.put("shared", "1");
    await a.put("deleted", "1");
    await pull("b", "a");
    await b.relay?.shut();
    await a.put("shared", "of a");
    await a.put("only/a", "of a");
    await a.kill();
    await b.relay?.open();
    await a.relay?.shut();
    t.equal(await b.read("shared"), "1", "reads go on");
    t.match(await order("b", "b", { epoch: 2, found: false }), {
      status: 200,
      json: { lease: { epoch: 2 } },
    });
    t.match(await b.put("shared", "of b"), { status: 200 });
    t.match(await b.ask("DELETE", "/v1/secrets/deleted"), { status: 200 });
    await a.relay?.open();
    await a.start();
    t.match(await a.told(), { lease: null, set: { epoch: 1 }, secrets: 3 }, "it comes back without a role");
    t.match(await a.put("shared", "again"), { status: 503, json: { code: "NO_LEASE" } });
    await orderAll("b", { epoch: 2, found: false });
    t.match(await pull("a", "b", 2), { mirror: { epoch: 2, diverged: 2 } });
    t.same(
      [await a.read("shared"), await a.read("only/a"), await a.read("deleted")],
      ["of a", "of a", undefined],
      "what it took alone stands, and a deletion that it has missed has come",
    );
    for (const [path, keep] of [
      ["shared", "there"],
      ["only/a", "here"],
    ] as const) {
      t.match(await a.ask("POST", "/v1/mirror/resolve", { path, keep }), { status: 200 });
    }
    await pull("a", "b", 2);
    t.same((await content("a")).secrets, (await content("b")).secrets);
    t.equal(await b.read("only/a"), "of a");
  },
);

t.test("a mirror that is killed while it pulls goes on where it was", async (t) => {
  const { find, orderAll, order, pull, content } = await setProcesses(t);
  const [a, b] = [find("a"), find("b")];
  await order("a", "a");
  const secrets = Array.from({ length: 40 }, (_, at) => ({ path: `n/${at}`, data: { key: "MQ==" } }));
  await a.ask("POST", "/v1/import", { secrets });
  // So long that it is killed before the last one.
  b.fixture.module.control("delay C_CreateObject 100");
  await orderAll("a");
  await until(async () => a.audits("mirror").length > 5, "the first secrets");
  await b.kill();
  b.fixture.module.control();
  await b.start();
  const { secrets: before = 0 } = await b.told();
  t.ok(before < 40, `${before} were there`);
  await orderAll("a");
  await pull("b", "a");
  t.same(await content("b"), await content("a"));
  t.ok(a.audits("mirror").length <= 41, `${a.audits("mirror").length} were sent for 40 secrets`);
});

t.test("Active hands writes on, and acknowledge waits for the mirror", async (t) => {
  const { find, orderAll, pull } = await setProcesses(t);
  const [a, b] = [find("a"), find("b")];
  await orderAll("a", { policy: "Active", acks: ["b"] });
  await pull("b", "a");
  t.match(await b.put("x", "1"), { status: 201, json: { device: "a" } });
  t.equal(await a.read("x"), "1");
  t.equal(await b.read("x"), "1", "the mirror that handed it on holds it when it is answered");
  await b.relay?.shut();
  t.match(await a.put("x", "2"), { status: 503, json: { code: "WRITE_UNCERTAIN" } });
  await b.relay?.open();
  t.match(await a.put("x", "2"), { status: 200, json: { outcome: "unchanged" } });
  t.equal(await b.read("x"), "2");
});

t.test("a lease that ends by the agent's own clock ends its writes", async (t) => {
  const { find, order } = await setProcesses(t, ["a"]);
  const a = find("a");
  await order("a", "a", { ttlSeconds: 5 });
  t.match(await a.put("x", "1"), { status: 201 });
  await until(async () => (await a.told()).lease === null, "the end of the lease");
  t.match(await a.put("x", "2"), { status: 503, json: { code: "NO_LEASE" } });
  t.equal(await a.read("x"), "1");
});
