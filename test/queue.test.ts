// SPDX-License-Identifier: Apache-2.0
// Tests the queues: order within a key, keys in parallel, and that an error ends nothing but its own work.
import t from "tap";
import { createKeyedQueue, createSerialQueue } from "../server/queue.ts";

t.test("a serial queue goes on after work that failed, and each caller gets its own end", async (t) => {
  const queue = createSerialQueue();
  const order: string[] = [];
  const first = queue(async () => {
    await Promise.resolve();
    order.push("first");
    throw new Error("of the first");
  });
  const second = queue(async () => {
    order.push("second");
    return 2;
  });
  await t.rejects(first, { message: "of the first" });
  t.equal(await second, 2);
  t.same(order, ["first", "second"]);
});

t.test("a keyed queue keeps the order of a key, and no key waits for another", async (t) => {
  const queue = createKeyedQueue();
  const gate = Promise.withResolvers<void>();
  const order: string[] = [];
  const held = queue.run("a", () => gate.promise);
  const next = queue.run("a", async () => order.push("a"));
  t.equal(queue.length("a"), 2);
  await queue.run("b", async () => order.push("b"));
  t.same(order, ["b"]);
  gate.resolve();
  await Promise.all([held, next]);
  t.same(order, ["b", "a"]);
  t.equal(queue.length("a"), 0, "and forgets what has ended");
  await t.rejects(
    queue.run("a", () => Promise.reject(new Error("alone"))),
    { message: "alone" },
  );
  t.equal(queue.length("a"), 0);
});
