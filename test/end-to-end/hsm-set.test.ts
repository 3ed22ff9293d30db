// SPDX-License-Identifier: Apache-2.0
// Tests a set of two HSMs with real agents and the real webhook: first choice, failover, return, hand-over, and quiet.
import t from "tap";
import { SetScene } from "./hsm-set-scene.ts";

t.setTimeout(590_000);

t.test("two tokens are one store, whichever of the agents is there", async (t) => {
  const scene = await new SetScene(t, { policy: "ReadOnly", primaryNode: "a" }).start();

  await scene.until("both agents have their roles", () => scene.condition("Mirrored").startsWith("True"));
  t.strictSame(scene.roles, ["A@a Primary", "B@b Mirror"]);
  t.match(scene.found, { phase: "Ready", primary: "A", epoch: 1, established: true });
  t.equal(await scene.put("a", "secrets/demo/one", "1"), "201");
  t.equal(await scene.put("b", "secrets/demo/one", "2"), "409 NOT_PRIMARY");
  await scene.until("the mirror holds it", async () => (await scene.read("b", "secrets/demo/one")) === "1");

  await scene.until("the status says so", () => scene.found.discoveredDevices?.[1]?.objects === 1);
  const quiet = JSON.stringify(scene.status);
  for (let count = 0; count < 5; count++) {
    await scene.step();
    t.equal(JSON.stringify(scene.status), quiet);
  }

  await scene.killProcess("A");
  await scene.step();
  t.match(scene.found, { primary: "A", phase: "Partial", unreachableSince: String });
  t.equal(await scene.read("b", "secrets/demo/one"), "1", "reads go on");
  // The webhook goes by its own clock, so that nothing but time makes it due.
  await new Promise((resolve) => setTimeout(resolve, 40_500));
  scene.storesStatus = false;
  await scene.step();
  await scene.step();
  t.match(await scene.put("b", "secrets/demo/two", "2"), /^(409 NOT_PRIMARY|503 NO_LEASE)$/);
  scene.storesStatus = true;
  await scene.step();
  t.match(scene.found, { primary: "B", epoch: 2, failoverCount: 1 });
  await scene.step();
  t.equal(await scene.put("b", "secrets/demo/two", "2"), "201");

  scene.revive("A");
  await scene.until("the old primary is a mirror", () => scene.condition("Mirrored").startsWith("True"));
  t.strictSame(scene.roles, ["A@a Mirror", "B@b Primary"]);
  t.equal(await scene.read("a", "secrets/demo/two"), "2");
  t.equal(await scene.put("a", "secrets/demo/one", "3"), "409 NOT_PRIMARY");
  t.match(scene.condition("Diverged"), /^False/);

  scene.mirroring = { policy: "ReadOnly", primaryNode: "b" };
  await scene.step();
  t.match(scene.found, { primary: "B", preferredNode: "b" }, "it is there already");
  scene.mirroring = { policy: "ReadOnly", primaryNode: "a" };
  await scene.until("the hand-over", () => scene.found.primary === "A");
  await scene.until("both agents know", () => scene.condition("Mirrored").startsWith("True"));
  t.match(scene.found, { epoch: 3, failoverCount: 1 });
  t.equal(await scene.put("a", "secrets/demo/one", "4"), "200");
  t.equal(await scene.put("b", "secrets/demo/one", "5"), "409 NOT_PRIMARY");
  await scene.until("the mirror holds it", async () => (await scene.read("b", "secrets/demo/one")) === "4");
});
