// SPDX-License-Identifier: Apache-2.0
// Tests sets on SoftHSM2 tokens and real processes whose network is cut, or of which one is away while secrets are deleted.
import t from "tap";
import { SET, setProcesses } from "./mirror-processes.ts";

t.setTimeout(590_000);

t.test("what both sides wrote during a cut stands on both tokens, until somebody decides", async (t) => {
  const { find, order, orderAll, pull } = await setProcesses(t);
  const [a, b] = [find("a"), find("b")];
  await orderAll("a");
  for (const path of ["x", "y"]) t.match(await a.put(path, "1"), { status: 201 });
  await pull("b", "a");
  await a.relay?.shut();
  t.match(await a.put("x", "2 of a"), { status: 200 }, "under its lease it takes writes");
  const asked = { set: SET, epoch: 1, primary: "a" };
  t.match(await b.ask("POST", "/v1/mirror/pull", asked, "reader"), { json: { code: "AGENT_UNREACHABLE" } });
  // As the webhook does, which reaches b alone, when the lease of a is over.
  t.match(await order("b", "b", { epoch: 2, found: false }), { status: 200 });
  t.match(await b.put("x", "2 of b"), { status: 200 });
  t.match(await b.put("y", "2 of b"), { status: 200 });
  await a.relay?.open();
  t.match(await order("a", "b", { epoch: 2 }), { status: 200 });
  t.match(await pull("a", "b", 2), { mirror: { diverged: 1 } });
  t.same([await a.read("x"), await a.read("y")], ["2 of a", "2 of b"], "only what was not known is kept");
  t.same([await b.read("x"), await b.read("y")], ["2 of b", "2 of b"]);
  t.match(await a.put("x", "3"), { status: 409, json: { code: "NOT_PRIMARY" } });
  const kept = await a.ask("POST", "/v1/mirror/resolve", { path: "x", keep: "here" });
  t.equal(kept.status, 200);
  t.match(await pull("a", "b", 2), { mirror: { diverged: 0 } });
  t.same([await a.read("x"), await b.read("x")], ["2 of a", "2 of a"]);
});

t.test("a member that was away for long follows what was deleted, and it is then forgotten", async (t) => {
  const { find, orderAll, pull, content } = await setProcesses(t);
  const [a, b] = [find("a"), find("b")];
  await orderAll("a");
  for (const path of ["kept", "gone"]) await a.put(path, "1");
  await pull("b", "a");
  await b.kill();
  t.match(await a.ask("DELETE", "/v1/secrets/gone"), { status: 200 });
  await a.put("kept", "2");
  await a.kill();
  await a.start();
  await b.start();
  t.equal(await b.read("gone"), "1", "it has not seen it");
  await orderAll("a");
  t.match((await content("a")).tombstones, [{ path: "gone" }], "and so it is not forgotten");
  t.match(await pull("b", "a"), { mirror: { diverged: 0 } });
  t.same([await b.read("gone"), await b.read("kept")], [undefined, "2"]);
  for (let tries = 0; tries < 20 && (await content("a")).tombstones.length > 0; tries += 1) {
    await pull("b", "a");
  }
  t.same((await content("a")).tombstones, []);
  await pull("b", "a");
  t.same((await content("b")).secrets, (await content("a")).secrets);
});
