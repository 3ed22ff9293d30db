// SPDX-License-Identifier: Apache-2.0
// Tests writes that are answered when mirrors hold them too, and writes that a mirror would have no room for.
import t from "tap";
import { toldBy } from "../role/set-agent.ts";
import { mirrorScene, until } from "./mirror-scene.ts";

t.setTimeout(590_000);

t.test("with acks a write is answered when the mirrors named hold it, and not before", async (t) => {
  const { orderAll, pull, put, read, find, cut, mend } = await mirrorScene(t, ["a", "b", "c"]);
  await orderAll("a", { acks: ["b"] });
  await pull("b");
  t.match(await put("a", "x", "1"), { status: 201 });
  t.equal(await read("b", "x"), "1", "the mirror has it by then");
  await cut("c");
  t.match(await put("a", "x", "2"), { status: 200 }, "a mirror that is not waited for may be away");
  await cut("b");
  const waiting = put("a", "x", "3");
  await until(async () => (await read("a", "x")) === "3", "the write on the primary");
  t.equal((await toldBy(find("a"))).writing, 0);
  await mend("b");
  await until(async () => {
    await find("a").clock.pass(500);
    return (await read("b", "x")) === "3";
  }, "the write on the mirror");
  t.match(await waiting, { status: 200 });
});

t.test(
  "a write that no mirror says that it has is uncertain, and so is its repetition until one does",
  async (t) => {
    const { orderAll, pull, put, read, find, cut, mend } = await mirrorScene(t);
    await orderAll("a", { acks: ["b"] });
    await pull("b");
    await cut("b");
    t.match(await put("a", "x", "1"), { status: 503, json: { code: "WRITE_UNCERTAIN" } });
    const again = put("a", "x", "1");
    await new Promise((resolve) => setTimeout(resolve, 200));
    await mend("b");
    await until(async () => {
      await find("a").clock.pass(500);
      return (await read("b", "x")) === "1";
    }, "the write on the mirror");
    t.match(await again, { status: 200, json: { outcome: "unchanged" } });
  },
);

t.test("who may only read can't say in a mirror's name that it holds a write", async (t) => {
  const { orderAll, pull, put, find, cut } = await mirrorScene(t);
  await orderAll("a", { acks: ["b"] });
  await pull("b");
  await cut("b");
  const primary = find("a");
  const { instance } = await toldBy(primary);
  const forged = `/v1/mirror/holding?member=b&epoch=1&instance=${instance}&position=1`;
  const written = put("a", "x", "1");
  await until(async () => (await toldBy(primary)).position === 1, "the write on the primary");
  t.match(await primary.ask("GET", forged, undefined, { as: "reader" }), { status: 200 });
  t.match(await written, { status: 503, json: { code: "WRITE_UNCERTAIN" } });
  t.match(await primary.ask("GET", forged, undefined, { as: "writer" }), { status: 200 });
  t.match(await put("a", "x", "1"), { status: 200 }, "who may write is a member");
});

t.test("a deletion that no mirror has is not answered as one that was made before", async (t) => {
  const { orderAll, pull, put, read, find, cut, mend } = await mirrorScene(t);
  await orderAll("a", { acks: ["b"] });
  await pull("b");
  await put("a", "x", "1");
  await cut("b");
  const remove = () => find("a").ask("DELETE", "/v1/secrets/x");
  t.match(await remove(), { status: 503, json: { code: "WRITE_UNCERTAIN" } });
  t.equal(await read("b", "x"), "1");
  let isAnswered = false;
  const again = remove().finally(() => {
    isAnswered = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.notOk(isAnswered, "that it is gone is no answer yet");
  await mend("b");
  await until(async () => {
    await find("a").clock.pass(500);
    return (await read("b", "x")) === undefined;
  }, "the deletion on the mirror");
  t.match(await again, { status: 404 });
  await cut("b");
  t.match(await remove(), { status: 404 }, "and once it is there nothing is waited for");
});

t.test("what would not fit on a mirror is refused on the primary, with the mirror's name", async (t) => {
  const { orderAll, pull, put, find } = await mirrorScene(t);
  const { store } = find("b");
  const info = store.info.bind(store);
  store.info = async () => {
    const told = await info();
    return told.kind === "info" ? { ...told, objectLimit: 4, objectLimitSource: "configured" } : told;
  };
  await orderAll("a");
  await put("a", "x", "1");
  await pull("b");
  // Tells the primary that it now has two of four, of which one stays free: its membership and the secret.
  await pull("b");
  t.match(await put("a", "y", "1"), { status: 201 });
  await pull("b");
  await pull("b");
  const refused = await put("a", "z", "1");
  t.match(refused, { status: 507, json: { code: "MIRROR_FULL", message: /^the mirror b holds 3 of 4 / } });
  t.match(await find("a").ask("GET", "/v1/secrets/z"), { status: 404 }, "nothing was written");
  t.match(
    find("a")
      .audits()
      .filter(({ audit }) => audit === "put")
      .at(-1),
    { outcome: "MIRROR_FULL" },
  );
  t.match(await find("a").ask("DELETE", "/v1/secrets/x"), { status: 200 }, "what makes room is taken");
  await pull("b");
  await pull("b");
  t.match(await put("a", "z", "1"), { status: 201 });
});
