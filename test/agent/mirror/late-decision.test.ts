// SPDX-License-Identifier: Apache-2.0
// Tests that a decision on a diverged copy which comes to its turn after a failover changes nothing on the new primary.
import t from "tap";
import { mirrorScene } from "./mirror-scene.ts";

t.setTimeout(590_000);

t.test("a decision for a primary that is none by then changes nothing", async (t) => {
  const { order, orderAll, pull, put, read, find, cut, mend } = await mirrorScene(t);
  await orderAll("a");
  await put("a", "x", "before");
  await pull("b");
  await cut("b");
  await put("a", "x", "of a");
  await put("a", "only", "of a");
  await mend("b");
  await orderAll("b", { epoch: 2, found: false });
  await put("b", "x", "of b");
  t.match(await pull("a"), { mirror: { diverged: 2 } });
  const { puller } = find("a").set;
  const apart = puller.apart.bind(puller);
  puller.apart = async (work) => {
    await order("a", { primary: "a", role: "primary", epoch: 3 });
    return apart(work);
  };
  const resolve = () => find("a").ask("POST", "/v1/mirror/resolve", { path: "x", keep: "there" });
  t.match(await resolve(), { status: 503, json: { code: "NO_LEASE" } });
  t.same([await read("a", "x"), await read("a", "only")], ["of a", "of a"]);
});
