// SPDX-License-Identifier: Apache-2.0
// Tests that whoever may read can't acknowledge in a mirror's name what is not written yet.
import t from "tap";
import { mirrorScene } from "./mirror-scene.ts";

t.test("a report of more than there is counts for nothing", async (t) => {
  const { orderAll, pull, put, find, holding, cut } = await mirrorScene(t);
  await orderAll("a", { acks: ["b"] });
  await pull("b");
  await cut("b");
  const { instance } = await holding("a");
  const forged = new URLSearchParams({ member: "b", epoch: "1", instance, position: "1000000" });
  const asked = await find("a").ask("GET", `/v1/mirror/holding?${forged}`, undefined, { as: "reader" });
  t.equal(asked.status, 200);
  t.match(await put("a", "x", "1"), { status: 503, json: { code: "WRITE_UNCERTAIN" } });
});
