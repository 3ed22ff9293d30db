// SPDX-License-Identifier: Apache-2.0
// Tests spec.dependsOn under the local control plane: the order of starts and stops, and that linked Toggles come to rest.
import t from "tap";
import { valueAt } from "../../../scripts/control-plane/api/json.ts";
import { on, scene, toggle } from "./control-plane-scene.ts";

const off = { enabled: false };
const of = (name: string, spec = {}) =>
  toggle(name, { selector: { matchLabels: { app: name } }, ...off, ...spec });

t.test(
  "of two linked Toggles one starts after the other and stops before it, and then nothing happens",
  async (t) => {
    const { cluster, hook, make, apply, set, settle, kubectl, status, replicas } = await scene(t);
    await make("db", 1);
    /** Sync requests from here on, by the name of the Toggle. */
    const countFrom = (from: number) => {
      const names = hook.requests
        .slice(from)
        .filter(({ path }) => path.endsWith("/sync"))
        .map(({ body }) => String(valueAt(body, ["parent", "metadata", "name"])));
      return Object.fromEntries(
        ["db", "web"].map((name) => [name, names.filter((one) => one === name).length]),
      );
    };
    /** Nothing happens to the two any more. */
    const rests = async (t_: string) => {
      const before = [await cluster.read(["toggle,deployment", "-n", "demo"]), hook.requests.length];
      await settle();
      t.same([await cluster.read(["toggle,deployment", "-n", "demo"]), hook.requests.length], before, t_);
    };

    await apply(of("web", { dependsOn: ["db"] }), of("db"));
    t.match([await status("web"), await status("db")], [{ phase: "Off" }, { phase: "Off" }]);
    await rests("off");

    let from = hook.requests.length;
    await set("web", on);
    t.match(await status("web"), { phase: "Starting", waitingFor: ["db"], replicas: 0 });
    t.match(await status("db"), { phase: "Off" });
    await rests("waiting to start");
    await set("db", on);
    t.match([await status("web"), await status("db")], [{ phase: "Running" }, { phase: "Running" }]);
    t.same([await replicas("web"), await replicas("db")], [3, 1]);
    await rests("on");
    t.comment("syncs to start", countFrom(from));
    t.ok(Object.values(countFrom(from)).every((count) => count <= 20));

    from = hook.requests.length;
    await set("db", off);
    t.match(await status("db"), { phase: "Stopping", waitingFor: ["web"], replicas: 1 });
    t.match(await status("web"), { phase: "Running" });
    await rests("waiting to stop");
    await set("web", off);
    t.match([await status("web"), await status("db")], [{ phase: "Off" }, { phase: "Off" }]);
    await rests("off again");
    t.comment("syncs to stop", countFrom(from));
    t.ok(Object.values(countFrom(from)).every((count) => count <= 20));

    await set("db", on);
    await set("web", on);
    await kubectl("delete", "toggle", "web", "--cascade=orphan", "--timeout=60s");
    await settle();
    await set("db", off);
    t.match(await status("db"), { phase: "Off" }, "labels on an orphaned Deployment hold nothing up");
    t.equal(await replicas("web"), 3);
  },
);

t.test("in a cycle both are Blocked and rest; taking one side out frees them", async (t) => {
  const { hook, make, apply, set, settle, status } = await scene(t);
  await make("db", 1);
  await apply(of("web", { ...on, dependsOn: ["db"] }), of("db", { ...on, dependsOn: ["web"] }));
  t.match(await status("web"), { phase: "Blocked", message: /and db depend on each other/ });
  t.match(await status("db"), { phase: "Blocked", message: /and web depend on each other/ });
  const calls = hook.requests.length;
  await settle();
  t.equal(hook.requests.length, calls);
  await set("db", { dependsOn: null });
  t.match([await status("web"), await status("db")], [{ phase: "Running" }, { phase: "Running" }]);
});
