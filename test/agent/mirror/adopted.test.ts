// SPDX-License-Identifier: Apache-2.0
// Tests that nothing that a token held before it was adopted is overwritten by what the set has at the same path.
import t from "tap";
import { SET } from "../role/set-agent.ts";
import { mirrorScene } from "./mirror-scene.ts";

t.setTimeout(590_000);

/** Two tokens that were a store each, the second of which joins the set of the first. */
const adoptedScene = async (t: Parameters<typeof mirrorScene>[0]) => {
  const scene = await mirrorScene(t);
  const { find, order, orderAll } = scene;
  const seed = async (id: string, path: string, ...values: string[]) => {
    for (const value of values) {
      const data = new Map([["key", Buffer.from(value)]]);
      t.match(await find(id).store.change(path, { type: "put", data }), { kind: "written" });
    }
  };
  const join = async () => {
    await order("a");
    t.match(await find("b").ask("POST", "/v1/mirror/adopt", { set: SET }), { status: 200 });
    await orderAll("a");
  };
  return { ...scene, seed, join };
};

t.test("what an adopted token holds otherwise stays, whichever was written more often", async (t) => {
  const { seed, join, orderAll, pull, put, read, find } = await adoptedScene(t);
  await seed("a", "db", "a1", "a2", "a3");
  await seed("b", "db", "b1");
  await seed("a", "even", "a1");
  await seed("b", "even", "b1");
  await seed("a", "same", "x", "y");
  await seed("b", "same", "y");
  await join();
  t.match(await pull("b"), { mirror: { diverged: 2 } });
  t.same([await read("b", "db"), await read("b", "even"), await read("b", "same")], ["b1", "b1", "y"]);
  await put("a", "db", "a4");
  await find("a").ask("DELETE", "/v1/secrets/even");
  t.match(await pull("b"), { mirror: { diverged: 2 } });
  t.same([await read("b", "db"), await read("b", "even")], ["b1", "b1"], "nor by a later write or deletion");
  const resolve = (path: string, keep: string) => find("b").ask("POST", "/v1/mirror/resolve", { path, keep });
  t.match(await resolve("db", "here"), { status: 200 });
  t.match(await resolve("even", "there"), { status: 200 });
  t.match(await pull("b"), { mirror: { diverged: 0 } });
  t.same([await read("a", "db"), await read("b", "db"), await read("b", "even")], ["b1", "b1", undefined]);
  await put("a", "same", "z");
  await pull("b");
  t.equal(await read("b", "same"), "z", "what was the same is followed");
  await orderAll("b", { epoch: 2, found: false });
  t.match(await put("b", "same", "b"), { status: 200 });
  t.match(await pull("a"), { mirror: { diverged: 0 } });
});

t.test("where an adopted token is the primary, the others follow it, and it follows them", async (t) => {
  const { seed, join, orderAll, pull, put, read } = await adoptedScene(t);
  await seed("b", "db", "b1");
  await join();
  await orderAll("b", { epoch: 2, found: false });
  await pull("a");
  await orderAll("a", { epoch: 3, found: false });
  await put("a", "db", "a2");
  t.match(await pull("b"), { mirror: { diverged: 0 } });
  t.equal(await read("b", "db"), "a2");
});
