// SPDX-License-Identifier: Apache-2.0
// Tests how changes are counted, and that none is under way while work is apart from them.
import { setTimeout as wait } from "node:timers/promises";
import t from "tap";
import { ChangeCount } from "../../../server/agent/role/change-count.ts";

t.test("a change counts when it has ended, and one that made nothing does not", async (t) => {
  const count = new ChangeCount();
  const held = Promise.withResolvers<boolean>();
  const change = count.change(
    () => held.promise,
    (made) => made,
  );
  await wait(1);
  t.same([count.position, count.writing], [0, 1]);
  held.resolve(true);
  await change;
  t.same([count.position, count.writing], [1, 0]);
  await count.change(
    async () => false,
    (made) => made,
  );
  t.equal(count.position, 1);
  const failing = async (): Promise<boolean> => {
    throw new Error("cut");
  };
  await t.rejects(count.change(failing, () => false));
  t.same([count.position, count.writing], [2, 0], "one that threw may have been made");
});

t.test("work apart waits for the changes under way, and those that come wait for it", async (t) => {
  const count = new ChangeCount();
  const order: string[] = [];
  const slow = (name: string) => async () => {
    order.push(`${name} begins`);
    await wait(5);
    order.push(`${name} ends`);
  };
  await Promise.all([
    count.change(slow("a"), () => true),
    count.change(slow("b"), () => true),
    count.apart(slow("apart")),
    count.change(slow("c"), () => true),
    count.apart(slow("apart 2")),
  ]);
  const at = (what: string) => order.indexOf(what);
  t.ok(at("apart begins") > at("a ends") && at("apart begins") > at("b ends"), order.join());
  t.ok(at("c begins") > at("apart ends"), order.join());
  const [from, to] = [at("apart 2 begins"), at("apart 2 ends")];
  t.equal(to, from + 1, order.join());
  t.equal(count.position, 3);
  await count.apart(async (counted) => counted());
  t.equal(count.position, 4);
});
