// SPDX-License-Identifier: Apache-2.0
// Tests that a refused command stays refused, wherever the bot is killed and whatever comes after it.
import t from "tap";
import { Killed, makeWorld } from "./world.ts";

t.test(
  "killed at each point of a refusal: what was said not to be there is not switched when it comes",
  async (t) => {
    for (let after = 0; after < 20; after++) {
      const world = makeWorld([]);
      let budget = after;
      const message = world.message("stop web");
      const first = world.live(() => --budget >= 0);
      try {
        first.runner.accept(message, { resumed: true });
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
      await world.pass(0);
      first.life.alive = false;
      const denied = world.said.length > 0;
      world.create("web");
      const { runner } = world.live();
      runner.start();
      runner.accept(message, { resumed: true });
      await world.pass(10_000);
      if (denied) t.same(world.effects, [], `killed after ${after} points`);
      t.equal(world.said.length, 1);
    }
  },
);
