// SPDX-License-Identifier: Apache-2.0
// Tests what becomes of a set of devices where more than its primary is out: mirrors, the webhook, or the status itself.
import t from "tap";
import { SetWorld } from "./set-world.ts";

const settled = (...args: ConstructorParameters<typeof SetWorld>) => new SetWorld(...args).run(60);

t.test("a status that somebody edited gives one epoch to no second primary", async (t) => {
  const world = settled();
  t.strictSame(world.writers, ["A"]);
  world.status = { ...world.status, primary: "B" };
  for (let left = 12; left > 0; left--) {
    world.run(5);
    const leases = ["A", "B"].map((id) => world.agent(id).lease.told());
    const epochs = leases.flatMap((lease) => (lease?.role === "primary" ? [lease.epoch] : []));
    t.equal(new Set(epochs).size, epochs.length, `${epochs}`);
  }
  t.strictSame(world.writers, ["A"], "and the primary of before goes on");
  const one = settled({ policy: "Active" }, ["a", "b", "c"]);
  one.kill("C");
  one.status = { ...one.status, primary: "B" };
  one.run(60);
  t.strictSame(one.writers, ["A"], "whoever else is away");
});

for (const [acknowledge, known] of [
  ["Mirror", { inSync: ["B"], complete: undefined }],
  ["Primary", { inSync: undefined, complete: ["B"] }],
] as const)
  t.test(
    `a mirror that held all follows however long ago it pulled, and after a restart: ${acknowledge}`,
    async (t) => {
      const mirroring = { policy: "Active", acknowledge } as const;
      const restarted = settled(mirroring);
      t.ok(restarted.agent("A").write());
      restarted.run(20);
      t.match(restarted.found, { primary: "A", ...known });
      restarted.kill("A");
      restarted.run(10);
      restarted.kill("B");
      restarted.run(20);
      restarted.revive("B");
      restarted.run(60);
      t.match(restarted.found, { primary: "B", epoch: 2 });
      const late = settled(mirroring);
      t.ok(late.agent("A").write());
      late.run(20);
      late.kill("A");
      late.time += 600;
      late.run(60);
      t.match(late.found, { primary: "B", epoch: 2 }, "the webhook was away as well");
      const blank = settled(mirroring);
      t.ok(blank.agent("A").write());
      blank.run(20);
      blank.kill("A");
      blank.kill("B");
      blank.tokens.delete("B");
      blank.run(20);
      blank.revive("B");
      blank.run(60);
      t.match(blank.found, { primary: "A", epoch: 1 }, "another token was never in sync");
      t.match(
        blank.condition("Mirrored"),
        /no mirror (that answers holds every acknowledged write|is complete)/,
      );
    },
  );

t.test(
  "where no mirror is complete somebody can name one, also the node that was named before",
  async (t) => {
    const world = settled({ policy: "Active", primaryNode: "a" });
    world.kill("A");
    world.run(100);
    world.revive("A");
    world.run(60);
    t.match(world.found, { primary: "B", epoch: 2 });
    world.kill("B");
    world.run(10);
    world.kill("A");
    world.run(20);
    world.revive("A");
    world.run(60);
    t.match(world.found, { primary: "B", epoch: 2 });
    t.match(world.condition("Mirrored"), /no mirror is complete\. A change of spec\.mirroring\.primaryNode/);
    world.mirroring = { policy: "Active" };
    world.run(10);
    world.mirroring = { policy: "Active", primaryNode: "a" };
    world.run(20);
    t.match(world.found, { primary: "A", epoch: 3 });
    t.strictSame(world.writers, ["A"]);
  },
);
